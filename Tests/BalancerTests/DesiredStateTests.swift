import Addresses
import Balancer
import Testing

@Suite struct DesiredStateTests {
    /// Carries a request out.
    @discardableResult
    private func update(_ state: inout DesiredState, _ request: ServiceRequest, origin: Origin = .command) throws
        -> DesiredState.Outcome
    {
        try state.update(request, origin: origin)
    }

    /// Expects a refusal that changes nothing.
    private func refuses(
        _ state: DesiredState, _ request: ServiceRequest, origin: Origin = .command, _ message: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var copy = state
        #expect(throws: BalancerError.refused(message), sourceLocation: sourceLocation) {
            _ = try copy.update(request, origin: origin)
        }
        #expect(copy == state, "a refused request changes nothing", sourceLocation: sourceLocation)
    }

    @Test("a service is created, then replaced as a whole under the same id")
    func replaces() throws {
        var state = DesiredState(mode: .snat)
        let first = try update(
            &state,
            request(
                "40.1.1.1:80", id: "7", weights: "1,2", algorithm: "random", affinity: "5", sourceRanges: "10.0.0.0/8"))
        guard case .created(let created) = first else { return #expect(Bool(false), "it is new") }
        #expect(created.id == 7)
        #expect(created.affinity == 5)
        let second = try update(&state, request("40.1.1.1:80", "20.1.1.30:80"))
        guard case .replaced(let replaced) = second else { return #expect(Bool(false), "it was there") }
        #expect(replaced == Service(id: 7, frontend: "40.1.1.1:80/tcp", backends: [Backend("20.1.1.30:80")]))
        #expect(state.sortedServices == [replaced])
        #expect(second.service == replaced)
        #expect(try state.service(id: 7) == replaced)
    }

    @Test("the smallest free id is given out")
    func givesIDs() throws {
        var state = DesiredState(mode: .snat)
        func next(_ port: Int, id: String? = nil) throws -> UInt16 {
            try update(&state, request("40.1.1.1:\(port)", id: id)).service.id
        }
        #expect(try next(1) == 1)
        #expect(try next(3, id: "3") == 3)
        #expect(try next(2) == 2)
        #expect(try next(4) == 4)
        #expect(try next(5, id: "65535") == 65535)
        _ = try state.delete(id: 2, origin: .command)
        #expect(try next(6) == 2)
        #expect(state.sortedServices.map(\.id) == [1, 2, 3, 4, 65535])
    }

    @Test("the same address and port for tcp and for udp are two services")
    func transports() throws {
        var state = DesiredState(mode: .snat)
        #expect(try update(&state, request("40.1.1.1:53")).service.id == 1)
        #expect(try update(&state, request("40.1.1.1:53/udp")).service.id == 2)
        #expect(state.services.count == 2)
    }

    @Test("an id conflict names the owner, from either side")
    func conflicts() throws {
        var state = DesiredState(mode: .snat)
        try update(&state, request("40.1.1.1:80", id: "1"))
        try update(&state, request("40.1.1.1:53/udp", id: "2"))
        refuses(
            state, try request("40.1.1.1:80", id: "3"),
            "--id: 40.1.1.1:80/tcp has id 1 already: use that one, or leave --id out")
        refuses(
            state, try request("40.1.1.1:80", id: "2"),
            "--id: 40.1.1.1:80/tcp has id 1 already: use that one, or leave --id out")
        refuses(
            state, try request("40.1.1.9:80", id: "2"),
            "--id: 2 belongs to 40.1.1.1:53/udp: choose another one, or leave --id out")
        #expect(try update(&state, request("40.1.1.1:80", id: "1")).service.id == 1)
    }

    @Test("a service that another origin holds is neither replaced nor deleted")
    func origins() throws {
        var state = DesiredState(mode: .snat)
        try update(&state, request("40.1.1.1:80"), origin: .file)
        try update(&state, request("40.1.1.2:80"))
        refuses(state, try request("40.1.1.1:80"), "40.1.1.1:80/tcp belongs to the file: change it there")
        refuses(
            state, try request("40.1.1.2:80"), origin: .file, "40.1.1.2:80/tcp belongs to the command: change it there")
        refuses(
            state, try request("40.1.1.3:80", id: "1"),
            "--id: 1 belongs to 40.1.1.1:80/tcp: choose another one, or leave --id out")
        let before = state
        #expect(throws: BalancerError.refused("40.1.1.1:80/tcp belongs to the file: change it there")) {
            _ = try state.delete(id: 1, origin: .command)
        }
        #expect(state == before)
        #expect(try state.delete(id: 1, origin: .file).frontend == "40.1.1.1:80")
    }

    @Test("a frontend cannot be its own backend")
    func ownBackend() throws {
        let state = DesiredState(mode: .snat)
        refuses(
            state, try request("40.1.1.1:80", "20.1.1.10:80,40.1.1.1:80"),
            "--backends: 40.1.1.1:80 is the frontend itself")
    }

    @Test("services and backends over the limit are refused, replacing at the limit is not")
    func limits() throws {
        var state = DesiredState(mode: .snat, mapMax: 3)
        try update(&state, request("40.1.1.1:80", "20.1.1.1:80"))
        refuses(
            state, try request("40.1.1.2:80", "20.1.1.1:80,20.1.1.2:80,20.1.1.3:80"),
            "--backends: 4 backends over all services, 3 are the most (--bpf-lb-map-max)")
        try update(&state, request("40.1.1.2:80", "20.1.1.1:80"))
        try update(&state, request("40.1.1.3:80", "20.1.1.1:80"))
        refuses(
            state, try request("40.1.1.4:80", "20.1.1.1:80"),
            "3 services are the most (--bpf-lb-map-max): delete one first")
        refuses(
            state, try request("40.1.1.3:80", "20.1.1.1:80,20.1.1.2:80"),
            "--backends: 4 backends over all services, 3 are the most (--bpf-lb-map-max)")
        try update(&state, request("40.1.1.3:80", "20.1.1.9:80"))
        // What is deleted makes room.
        _ = try state.delete(id: 1, origin: .command)
        try update(&state, request("40.1.1.3:80", "20.1.1.1:80,20.1.1.2:80"))
        refuses(
            state, try request("40.1.1.4:80", "20.1.1.1:80"),
            "--backends: 4 backends over all services, 3 are the most (--bpf-lb-map-max)")
    }

    @Test("source ranges over all services have a limit, with those that are being replaced")
    func sourceRanges() throws {
        func request(_ frontend: Frontend, _ range: Range<UInt32>) throws -> ServiceRequest {
            var request = try BalancerTests.request("40.1.1.1:80")
            request.frontend = frontend
            request.sourceRanges = range.map { IPPrefix(.v4(IPv4Address(value: 0x0a00_0000 + $0)), length: 32)! }
            return request
        }
        var state = DesiredState(mode: .snat)
        try update(&state, request("40.1.1.1:80", 0..<40_000))
        refuses(
            state, try request("40.1.1.2:80", 0..<25_537),
            "--source-ranges: 65537 over all services, with those to be replaced, 65536 are the most")
        try update(&state, request("40.1.1.2:80", 0..<25_536))
        // The same ones again need no more room; others do until the old ones have gone.
        try update(&state, request("40.1.1.1:80", 0..<40_000))
        refuses(
            state, try request("40.1.1.1:80", 1..<40_001),
            "--source-ranges: 65537 over all services, with those to be replaced, 65536 are the most")
        try update(&state, request("40.1.1.1:80", 0..<0))
        _ = try state.delete(id: 2, origin: .command)
        try update(&state, request("40.1.1.3:80", 0..<65_536))
    }

    @Test("when all ids are taken the user is told to delete a service")
    func idsUsedUp() throws {
        var state = DesiredState(mode: .snat)
        var request = try request("40.1.1.1:80", "20.1.1.1:80")
        for id in UInt16(1)...UInt16.max {
            request.frontend.endpoint.port = id
            request.id = id
            try update(&state, request)
        }
        request.frontend = "40.1.1.2:80"
        request.id = nil
        refuses(state, request, "all 65535 service ids are taken: delete a service first")
    }

    @Test("a deleted service is gone, and its frontend and id are free")
    func deletes() throws {
        var state = DesiredState(mode: .dsr)
        let empty = state
        let service = try update(&state, request("40.1.1.1:80", id: "9")).service
        #expect(try state.delete(id: 9, origin: .command) == service)
        #expect(state == empty)
        let missing = BalancerError.notFound("no service has id 9: see 'service list'")
        #expect(throws: missing) { _ = try state.delete(id: 9, origin: .command) }
        #expect(throws: missing) { _ = try state.service(id: 9) }
        #expect(state == empty)
        #expect(try update(&state, request("40.1.1.2:80", id: "9")).service.id == 9)
        #expect(try update(&state, request("40.1.1.1:80")).service.id == 1)
    }
}
