import Addresses
import CDataplane
import Testing

@testable import Balancer

/// The kernel's maps in memory: takes edits one by one and looks after each.
private struct Kernel {
    var contents = MapContents()
    var indices = BackendIndices(capacity: 64)
    var memory = PlanMemory()

    /// Goes to a state; gives back what was wrong on the way.
    mutating func follow(_ state: DesiredState, _ network: Network) throws -> [String] {
        let plan = try Plan(network.input(state), indices: indices, previous: memory)
        var wrong: [String] = []
        let edits = plan.contents.edits(from: contents)
        let kept = Set(contents.backends.keys).intersection(plan.contents.backends.keys).filter {
            indices.key(at: $0) == plan.indices.key(at: $0)
        }
        for (count, edit) in edits.enumerated() {
            contents.apply(edit)
            wrong += violations(plan.indices, kept: kept).map { "after \(count + 1) of \(edits.count) edits: \($0)" }
        }
        if !contents.isSame(as: plan.contents) { wrong.append("the maps do not hold the plan") }
        if !plan.contents.edits(from: contents).isEmpty { wrong.append("there are edits left") }
        let fresh = try Plan(network.input(state), indices: plan.indices)
        if fresh.contents.tables != plan.contents.tables { wrong.append("a remembered table is wrong") }
        indices = plan.indices
        memory.remember(plan, of: state)
        return wrong
    }

    /// What a packet could trip over.
    private func violations(_ indices: BackendIndices, kept: Set<UInt16>) -> [String] {
        var wrong: [String] = []
        for (id, table) in contents.tables {
            for place in Set(table) where contents.backends[place] == nil {
                wrong.append("table \(id) names \(place), which is not there")
            }
        }
        for (key, service) in contents.services {
            let (id, flags) = (service.id, UInt32(service.flags))
            let address = key.raw.address.address
            let frontend = Frontend(
                Endpoint(address, port: UInt16(networkOrder: key.raw.port)),
                TransportProtocol(rawValue: key.raw.protocol)!)
            if !contents.filter.has(address) || !contents.filter.has(frontend) {
                wrong.append("the filter has not \(frontend)")
            }
            if contents.accounts[id] != key { wrong.append("\(frontend) has the counters of another service") }
            if flags & (L4LB_SERVICE_SOURCE_RANGES.rawValue | L4LB_SERVICE_SOURCE_DENY.rawValue) != 0,
                flags & L4LB_SERVICE_UNUSABLE.rawValue == 0,
                !contents.sourceRanges.contains(where: { $0.raw.service == id })
            {
                wrong.append("\(frontend) has no source ranges")
            }
            guard flags & L4LB_SERVICE_UNUSABLE.rawValue == 0 else { continue }
            guard let table = contents.tables[id], table.count == Network.size else {
                wrong.append("\(frontend) has no table")
                continue
            }
            for place in Set(table) where indices.key(at: place)?.frontend != frontend {
                wrong.append("\(frontend) has a backend of another service")
            }
        }
        for index in kept {
            guard let address = indices.key(at: index)?.frontend.endpoint.address else { continue }
            if !contents.filter.has(address) { wrong.append("connections to \(address) have lost their way") }
        }
        return wrong
    }
}

@Suite struct EditsTests {
    private let network = Network(
        reaching: ["20.1.1.10", "20.1.1.20", "20.1.1.30", "20.1.1.40", "2001:db8:20::10"])

    private func state(_ requests: ServiceRequest...) throws -> DesiredState {
        var state = DesiredState(mode: .snat)
        for request in requests { _ = try state.update(request, origin: .command) }
        return state
    }

    @Test("no packet meets half a service, whichever way the state goes")
    func transitions() throws {
        let two = "20.1.1.10:80,20.1.1.20:80"
        let states = try [
            ("nothing", state()),
            ("one service", state(request("40.1.1.1:80", two))),
            ("it grows", state(request("40.1.1.1:80", two + ",20.1.1.30:80,20.1.1.40:80"))),
            ("it has other backends", state(request("40.1.1.1:80", "20.1.1.30:80,20.1.1.40:80"))),
            ("it shrinks", state(request("40.1.1.1:80", "20.1.1.40:80"))),
            ("it is unusable", state(request("40.1.1.1:80", two, states: "draining,maintenance"))),
            ("it has ranges", state(request("40.1.1.1:80", two, sourceRanges: "10.0.0.0/8,11.0.0.0/8"))),
            ("it has other ranges", state(request("40.1.1.1:80", two, sourceRanges: "12.0.0.0/8"))),
            ("two services", state(request("40.1.1.1:80", two), request("40.1.1.2:80/udp", two))),
            ("their ids are swapped", state(request("40.1.1.2:80/udp", two), request("40.1.1.1:80", two))),
            ("it denies", state(request("40.1.1.1:80", two, sourceRanges: "10.0.0.0/8", policy: "deny"))),
            ("it is limited", state(request("40.1.1.1:80", two, maxNewConnections: "5"))),
            ("it is in IPv6", state(request("[2001:db8::1]:80", "[2001:db8:20::10]:80"))),
            ("it is on all ports", state(request("40.1.1.1:*", "20.1.1.10:*,20.1.1.20:80"))),
            ("another one has the id", state(request("40.1.1.3:80", "20.1.1.30:80", sourceRanges: "10.0.0.0/8"))),
        ]
        for (from, first) in states {
            for (to, second) in states {
                var kernel = Kernel()
                #expect(try kernel.follow(first, network) == [], "\(from)")
                #expect(try kernel.follow(second, network) == [], "\(from), then \(to)")
                #expect(try kernel.follow(first, network) == [], "\(from), then \(to), and back")
            }
        }
    }

    @Test(
        "while source ranges change, nobody gets in whom neither the old nor the new ones let in",
        arguments: ["allow", "deny"], ["allow", "deny"])
    func ranges(from: String, to: String) throws {
        var kernel = Kernel()
        let clients: [IPAddress] = ["10.0.0.1", "11.0.0.1", "12.0.0.1", "192.0.2.1"]
        func served(_ contents: MapContents) -> Set<IPAddress> {
            guard let flags = contents["40.1.1.1:80"].map({ UInt32($0.flags) }),
                flags & L4LB_SERVICE_UNUSABLE.rawValue == 0
            else { return [] }
            return Set(
                clients.filter { client in
                    let isInside = contents.sourceRanges.contains {
                        IPPrefix($0.raw.address.address, length: UInt8($0.raw.prefix_length - 128))?.contains(client)
                            ?? false
                    }
                    return isInside == (flags & L4LB_SERVICE_SOURCE_DENY.rawValue == 0)
                })
        }
        let before = try state(request("40.1.1.1:80", sourceRanges: "10.0.0.0/8,11.0.0.0/8", policy: from))
        let after = try state(request("40.1.1.1:80", sourceRanges: "11.0.0.0/8,12.0.0.0/8", policy: to))
        #expect(try kernel.follow(before, network) == [])
        let plan = try Plan(network.input(after), indices: kernel.indices, previous: kernel.memory)
        let may = served(kernel.contents).union(served(plan.contents))
        for edit in plan.contents.edits(from: kernel.contents) {
            kernel.contents.apply(edit)
            #expect(served(kernel.contents).isSubset(of: may), "\(edit)")
        }
        #expect(served(kernel.contents) == served(plan.contents))
    }

    @Test("nothing is written when nothing has changed")
    func idle() throws {
        var kernel = Kernel()
        let state = try state(request("40.1.1.1:80", sourceRanges: "10.0.0.0/8"), request("40.1.1.2:80"))
        _ = try kernel.follow(state, network)
        let again = try Plan(network.input(state), indices: kernel.indices, previous: kernel.memory)
        #expect(again.contents.edits(from: kernel.contents).isEmpty)
    }

    @Test("a new link address changes one entry and nothing else")
    func neighbour() throws {
        var kernel = Kernel()
        let state = try state(request("40.1.1.1:80"))
        _ = try kernel.follow(state, network)
        var network = network
        network.nextHops["20.1.1.20"]?.linkAddress = LinkAddress(value: 7)
        let plan = try Plan(network.input(state), indices: kernel.indices, previous: kernel.memory)
        let edits = plan.contents.edits(from: kernel.contents)
        #expect(edits.count == 1)
        guard case .setBackend(1, let backend) = edits.first else { return #expect(Bool(false)) }
        #expect(bytes(backend.next_hop) == [0, 0, 0, 0, 0, 7])
    }

    @Test("a few hundred changes at random leave the maps right at every step", arguments: [1, 2, 3] as [UInt64])
    func random(seed: UInt64) throws {
        var random = FixedRandom(seed: seed)
        var kernel = Kernel()
        var state = DesiredState(mode: .snat)
        for step in 0..<150 {
            for _ in 0..<Int.random(in: 1...3, using: &random) { change(&state, &random) }
            let network = surroundings(&random)
            #expect(try kernel.follow(state, network) == [], "seed \(seed), step \(step)")
            // Some connections of backends that have left end.
            let current = Set(
                state.services.values.flatMap { service in
                    service.backends.map { BackendKey(frontend: service.frontend, backend: $0.endpoint) }
                })
            for key in kernel.indices.all.keys.sorted(by: { ($0.frontend, $0.backend) < ($1.frontend, $1.backend) })
            where !current.contains(key) && (Bool.random(using: &random) || kernel.indices.count > 40) {
                kernel.indices.release(key)
            }
        }
    }

    private func change(_ state: inout DesiredState, _ random: inout FixedRandom) {
        let frontends = ["40.1.1.1:80", "40.1.1.1:80/udp", "40.1.1.1:81", "40.1.1.2:80", "40.1.1.3:80", "20.1.1.1:80"]
        switch Int.random(in: 0..<12, using: &random) {
        case 0: try? state.setMode(state.mode == .snat ? .dsr : .snat)
        case 1: for id in state.services.keys { _ = try? state.delete(id: id, origin: .command) }
        case 2...4:
            if let id = state.services.keys.sorted().randomElement(using: &random) {
                _ = try? state.delete(id: id, origin: .command)
            }
        default:
            let all = (1...6).map { "20.1.1.\($0 * 10):80" }.shuffled(using: &random)
            let count = Int.random(in: 1...6, using: &random)
            let states = (0..<count).map { _ in BackendState.allCases.randomElement(using: &random)!.rawValue }
            let ranges = ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"].shuffled(using: &random).prefix(
                Int.random(in: 0...2, using: &random))
            guard
                let request = try? request(
                    frontends.randomElement(using: &random)!, all.prefix(count).joined(separator: ","),
                    id: Bool.random(using: &random) ? "\(Int.random(in: 1...6, using: &random))" : nil,
                    weights: (0..<count).map { _ in "\(Int.random(in: 0...3, using: &random))" }.joined(separator: ","),
                    states: states.joined(separator: ","), affinity: Bool.random(using: &random) ? "" : nil,
                    sourceRanges: ranges.isEmpty ? nil : ranges.joined(separator: ","),
                    policy: ranges.isEmpty || Bool.random(using: &random) ? nil : "deny")
            else { return }
            _ = try? state.update(request, origin: .command)
        }
    }

    private func surroundings(_ random: inout FixedRandom) -> Network {
        var network = Network()
        for number in 1...6 where Int.random(in: 0..<8, using: &random) > 0 {
            let address = IPAddress(stringLiteral: "20.1.1.\(number * 10)")
            network.nextHops[address] = Network.hop(
                to: address, source: Bool.random(using: &random) ? "20.1.1.1" : "20.1.1.2",
                known: Int.random(in: 0..<4, using: &random) > 0)
        }
        if Bool.random(using: &random) { network.hostAddresses = ["20.1.1.1", "40.1.1.3"] }
        if Bool.random(using: &random) { network.oldSources = ["20.1.1.3"] }
        return network
    }
}
