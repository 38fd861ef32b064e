import Addresses
import Testing

@testable import Balancer

/// A file's services, applied as a whole.
@Suite struct DeclaredStateTests {
    /// A service of a command, and two of a file.
    private func mixed() throws -> DesiredState {
        var state = DesiredState(mode: .snat, mapMax: 10)
        _ = try state.update(request("40.1.1.1:80", "20.1.1.10:80", id: "1"), origin: .command)
        try state.apply(
            DeclaredState(services: [request("40.1.1.2:80"), request("40.1.1.3:80", id: "7")]), origin: .file)
        return state
    }

    @Test("what the file no longer has goes, what it has comes, what commands have set stays")
    func reload() throws {
        var state = try mixed()
        let command = state.services[1]
        let change = try state.apply(
            DeclaredState(services: [request("40.1.1.4:80"), request("40.1.1.3:80", "20.1.1.30:80")]), origin: .file)
        #expect(change.created.map(\.frontend) == ["40.1.1.4:80/tcp"])
        #expect(change.removed.map(\.frontend) == ["40.1.1.2:80/tcp"])
        #expect(change.replaced.map(\.new.frontend) == ["40.1.1.3:80/tcp"])
        #expect(change.unchanged == 1 && state.services[1] == command && !change.isEmpty)
        #expect(
            state.services.mapValues(\.frontend) == [1: "40.1.1.1:80/tcp", 2: "40.1.1.4:80/tcp", 7: "40.1.1.3:80/tcp"])
        #expect(state.backendCount == 4)
    }

    @Test("the same once more is no change, in whatever order the backends are given")
    func same() throws {
        var state = try mixed()
        let before = state
        let change = try state.apply(
            DeclaredState(services: [
                request("40.1.1.3:80", "20.1.1.20:80,20.1.1.10:80"), request("40.1.1.2:80"),
            ]), origin: .file)
        #expect(change.isEmpty && state == before)
    }

    @Test("a service of a command is taken over where it is the same, and keeps what operators have set")
    func adoption() throws {
        var state = try mixed()
        _ = try state.setState(.draining, of: "20.1.1.10:80")
        let change = try state.apply(DeclaredState(services: [request("40.1.1.1:80", "20.1.1.10:80")]), origin: .file)
        #expect(change.adopted.map(\.new.id) == [1] && change.removed.count == 2)
        #expect(state.services[1]?.origin == .file)
        #expect(state.services[1]?.backends[0].override == .draining)
        #expect(refusal { _ = try state.delete(id: 1, origin: .command) } != nil)
    }

    @Test(
        "a list that is wrong changes nothing, and the service is named",
        arguments: [
            (
                ["40.1.1.4:80", "40.1.1.1:80"], [nil, nil], 1, "40.1.1.1:80/tcp belongs to the command, where it is not"
            ),
            (["40.1.1.4:80", "40.1.1.4:80"], [nil, nil], 1, "--frontend: 40.1.1.4:80/tcp is that of services[0]"),
            (["40.1.1.4:80", "40.1.1.5:80"], ["9", "9"], 1, "--id: 9 is that of 40.1.1.4:80/tcp already"),
            (["40.1.1.4:80"], ["1"], 0, "--id: 1 belongs to 40.1.1.1:80/tcp"),
            (["40.1.1.3:80"], ["8"], 0, "--id: 40.1.1.3:80/tcp has id 7 already"),
            (["20.1.1.10:80"], [nil], 0, "--backends: 20.1.1.10:80 is the frontend itself"),
            (["[2001:db8::1]:80"], [nil], 0, "--backends: 20.1.1.10:80 is IPv4"),
            (
                ["40.1.1.4:80", "40.1.1.5:80", "40.1.1.6:80", "40.1.1.7:80", "40.1.1.8:80"],
                Array(repeating: nil, count: 5), nil, "11 backends over all services, 10 are the most"
            ),
        ] as [([String], [String?], Int?, String)])
    func refusals(frontends: [String], ids: [String?], place: Int?, text: String) throws {
        var state = try mixed()
        let before = state
        let services = try zip(frontends, ids).map { try request($0, id: $1) }
        let error = try #require(
            refusal { _ = try state.apply(DeclaredState(mode: .snat, services: services), origin: .file) })
        #expect(error.service == place)
        #expect(error.description.hasPrefix(text), "\(error)")
        #expect(state == before)
    }

    @Test("an id that is free after the change can be given in it, and ids that are given are not given out")
    func ids() throws {
        var state = try mixed()
        try state.apply(
            DeclaredState(services: [
                request("40.1.1.4:80", "20.1.1.10:80"), request("40.1.1.5:80", "20.1.1.10:80", id: "7"),
                request("40.1.1.6:80", "20.1.1.10:80", id: "2"), request("40.1.1.7:80", "20.1.1.10:80"),
            ]), origin: .file)
        #expect(
            state.services.mapValues { "\($0.frontend.endpoint.address)" }
                == [1: "40.1.1.1", 2: "40.1.1.6", 3: "40.1.1.4", 4: "40.1.1.7", 7: "40.1.1.5"])
    }

    @Test("the mode holds for services of commands too")
    func mode() throws {
        var state = DesiredState(mode: .dsr)
        _ = try state.update(request("[2001:db8::1]:80"), origin: .command)
        #expect(refusal { _ = try state.apply(DeclaredState(mode: .snat, services: []), origin: .file) } != nil)
        let change = try state.apply(DeclaredState(services: []), origin: .file)
        #expect(change.isEmpty && state.mode == .dsr)
    }

    @Test("a thousand services with ten backends each are applied, found unchanged, and removed")
    func many() throws {
        var state = DesiredState(mode: .snat)
        let services = try (0..<1000).map { number in
            try request(
                "40.1.\(number / 250).\(number % 250 + 1):80",
                (1...10).map { "20.1.1.\($0):80" }.joined(separator: ","))
        }
        let declared = DeclaredState(services: services)
        #expect(try state.apply(declared, origin: .file).created.map(\.id) == Array(1...1000))
        #expect(try state.apply(declared, origin: .file).isEmpty)
        #expect(try state.apply(DeclaredState(services: []), origin: .file).removed.count == 1000)
    }

    // MARK: What it does to connections

    private func impact(_ old: ServiceRequest, _ new: ServiceRequest, seed: UInt64 = 1) throws -> Impact {
        var state = DesiredState(mode: .snat)
        try state.apply(DeclaredState(services: [old]), origin: .file)
        let change = try state.apply(DeclaredState(services: [new]), origin: .file)
        let connections = Dictionary(
            uniqueKeysWithValues: old.backends.enumerated().map {
                (BackendKey(frontend: old.frontend, backend: $1.endpoint), 10 * ($0 + 1))
            })
        return Impact(of: change, connections: connections, maglevSize: 16381, seed: seed)
    }

    @Test("a backend that leaves takes its share along, and little more")
    func moved() throws {
        let many = (1...20).map { "20.1.1.\($0):80" }.joined(separator: ",")
        let fewer = (2...20).map { "20.1.1.\($0):80" }.joined(separator: ",")
        let impact = try impact(request("40.1.1.1:80", many), request("40.1.1.1:80", fewer))
        let share = try #require(impact.services["40.1.1.1:80/tcp"]?.moved)
        #expect(share >= 0.0499 && share < 0.08)
        #expect(impact.moved == share && impact.leaving == 10 && impact.rechosen == 0)
        #expect(impact.connections == 10 * (1...20).reduce(0, +))
    }

    @Test("of a random choice the shares count, and what takes no connections has none")
    func shares() throws {
        let two = "20.1.1.10:80,20.1.1.20:80"
        let half = try impact(
            request("40.1.1.1:80", two, algorithm: "random"),
            request("40.1.1.1:80", "20.1.1.10:80", algorithm: "random"))
        #expect(abs(half.moved - 0.5) < 0.001)
        let none = try impact(request("40.1.1.1:80", two), request("40.1.1.1:80", two, affinity: "60"))
        #expect(none.moved == 0 && none.leaving == 0 && none.services["40.1.1.1:80/tcp"]?.connections == 30)
        let all = try impact(
            request("40.1.1.1:80", two), request("40.1.1.1:80", two, states: "maintenance,maintenance"))
        #expect(all.moved == 1 && all.rechosen == 30 && all.leaving == 0)
        let drained = try impact(request("40.1.1.1:80", two), request("40.1.1.1:80", two, states: "draining,active"))
        #expect(abs(drained.moved - 0.5) < 0.001 && drained.rechosen == 0 && drained.leaving == 0)
    }

    @Test("the slots that move are those of the tables in the maps")
    func tables() throws {
        let (old, new) = (try request("40.1.1.1:80", weights: "3,2"), try request("40.1.1.1:80", weights: "2,3"))
        let tables = [old, new].map { request in
            MaglevTable(
                backends: request.backends.map { ("\($0.endpoint)/tcp", $0.weight) }, size: 16381, seed: 5
            ).slots
        }
        let moved = zip(tables[0], tables[1]).count { $0 != $1 }
        #expect(moved > 0)
        #expect(try impact(old, new, seed: 5).moved == Double(moved) / 16381)
    }
}
