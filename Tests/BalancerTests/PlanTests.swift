import Addresses
import CDataplane
import Testing

@testable import Balancer

@Suite struct PlanTests {
    private let network = Network(reaching: ["20.1.1.10", "20.1.1.20"])

    private func plan(
        _ requests: ServiceRequest..., mode: Mode = .snat, network: Network? = nil, indices: BackendIndices? = nil
    ) throws -> Plan {
        var state = DesiredState(mode: mode)
        for request in requests { _ = try state.update(request, origin: .command) }
        return try Plan(
            (network ?? self.network).input(state), indices: indices ?? BackendIndices(capacity: 65_536))
    }

    @Test("a service becomes its entry, its table and its backends, byte for byte")
    func bytesOfService() throws {
        let contents = try plan(request("40.1.1.2:443/udp", "20.1.1.10:8443", id: "258", sourceRanges: "10.128.0.0/9"))
            .contents
        let key = try #require(contents.services.keys.first)
        // Port 443 is 0x01bb.
        #expect(bytes(key.raw) == Self.mapped + [40, 1, 1, 2, 0x01, 0xbb, 17, 0])
        let service = try #require(contents.services[key])
        #expect(service.id == 258)
        #expect(contents.tables[258] == [UInt16](repeating: 0, count: Network.size))
        let backend = try #require(contents.backends[0])
        #expect(bytes(backend.next_hop) == [2, 0, 20, 1, 1, 10])
        #expect(bytes(backend.our_mac) == [2, 0, 0, 0, 0, 1])
        #expect(bytes(backend.port) == [8443 >> 8, 8443 & 255])
        #expect(bytes(backend.address) == [20, 1, 1, 10])
        #expect(bytes(backend.source) == [20, 1, 1, 1])
        #expect(backend.ifindex == 3)
        #expect(backend.service == 258)
        let range = try #require(contents.sourceRanges.first)
        #expect(range.raw.prefix_length == 32 + 96 + 9)
        #expect(range.raw.service == 258)
        #expect(bytes(range.raw.address) == Self.mapped + [10, 128, 0, 0])
    }

    /// What stands before an IPv4 address in a key.
    private static let mapped = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]

    @Test("all padding of the ABI has a name, so that entries compare by their bytes")
    func noPadding() {
        #expect(MemoryLayout<l4lb_service_key>.size == 16 + 2 + 1 + 1)
        #expect(MemoryLayout<l4lb_service>.size == 2 + 1 + 1 + 4 + 8 + 8)
        #expect(MemoryLayout<l4lb_backend>.size == 6 + 6 + 2 + 1 + 1 + 4 + 4 + 4 + 2 + 2 + 16 + 16)
        #expect(MemoryLayout<l4lb_source_range_key>.size == 4 + 4 + 16)
        #expect(MemoryLayout<l4lb_flow>.size == 64)
    }

    @Test(
        "a backend's flags tell its state",
        arguments: [
            ("active", "1", L4LB_BACKEND_REACHABLE.rawValue | L4LB_BACKEND_ACTIVE.rawValue),
            ("active", "0", L4LB_BACKEND_REACHABLE.rawValue),
            ("draining", "1", L4LB_BACKEND_REACHABLE.rawValue),
            ("maintenance", "1", L4LB_BACKEND_REACHABLE.rawValue | L4LB_BACKEND_MAINTENANCE.rawValue),
        ])
    func flags(state: String, weight: String, flags: UInt32) throws {
        let contents = try plan(
            request("40.1.1.1:80", weights: "\(weight),1", states: "\(state),active")
        ).contents
        #expect(UInt32(try #require(contents.backends[0]).flags) == flags)
        let places = Set(try #require(contents.tables[1]))
        #expect(places == (state == "active" && weight == "1" ? [0, 1] : [1]))
    }

    @Test(
        "a service of which no backend takes connections is unusable and has no table",
        arguments: ["draining", "maintenance"])
    func unusable(state: String) throws {
        let contents = try plan(
            request("40.1.1.1:80", "20.1.1.10:80,20.1.1.20:80", weights: "0,1", states: "active,\(state)")
        )
        .contents
        #expect(UInt32(try #require(contents["40.1.1.1:80"]).flags) == L4LB_SERVICE_UNUSABLE.rawValue)
        #expect(contents.tables.isEmpty)
        #expect(contents.backends.count == 2)
    }

    @Test("a backend without a route, or without a link address yet, is not reachable")
    func unreachable() throws {
        var network = Network()
        network.nextHops["20.1.1.20"] = Network.hop(to: "20.1.1.20", known: false)
        let contents = try plan(request("40.1.1.1:80"), network: network).contents
        let (noRoute, noNeighbour) = (try #require(contents.backends[0]), try #require(contents.backends[1]))
        #expect(UInt32(noRoute.flags) == L4LB_BACKEND_ACTIVE.rawValue)
        #expect(noRoute.source == 0)
        #expect(UInt32(noNeighbour.flags) == L4LB_BACKEND_ACTIVE.rawValue)
        #expect(bytes(noNeighbour.next_hop) == [0, 0, 0, 0, 0, 0])
        #expect(bytes(noNeighbour.source) == [20, 1, 1, 1])
        #expect(Set(try #require(contents.tables[1])) == [0, 1])
    }

    @Test("of a frontend on the host's own address only the ports are ours")
    func hostAddress() throws {
        var network = network
        network.hostAddresses = ["40.1.1.1"]
        let contents = try plan(request("40.1.1.1:80"), request("40.1.1.2:80"), network: network).contents
        #expect(contents.addresses == [Key(l4lb_address("40.1.1.2"))])
        #expect(contents.filter.has("40.1.1.1" as IPAddress))
        #expect(contents.filter.has("40.1.1.2" as IPAddress))
    }

    @Test("the filter has frontends, the balancer's addresses, and those that old connections use")
    func filter() throws {
        var network = network
        network.nextHops["20.1.1.20"] = Network.hop(to: "20.1.1.20", source: "30.1.1.1")
        network.oldSources = ["30.1.1.2"]
        let contents = try plan(request("40.1.1.1:80"), network: network).contents
        for address: IPAddress in ["40.1.1.1", "20.1.1.1", "30.1.1.1", "30.1.1.2"] {
            #expect(contents.filter.has(address))
        }
        #expect(contents.filter.has("40.1.1.1:80" as Frontend))
        #expect(contents.filter.bitCount == 4 + 1)
    }

    @Test(
        "affinity is counted in ticks",
        arguments: [(nil, 0), ("1", 4), ("", 43_200), ("86400", 345_600)] as [(String?, UInt32)])
    func affinity(text: String?, ticks: UInt32) throws {
        let service = try #require(try plan(request("40.1.1.1:80", affinity: text)).contents["40.1.1.1:80"])
        #expect(service.affinity_ticks == ticks)
        #expect(
            UInt32(service.flags) & L4LB_SERVICE_AFFINITY.rawValue == (text == nil ? 0 : L4LB_SERVICE_AFFINITY.rawValue)
        )
    }

    @Test("a service's entry tells its mode, its algorithm and whether it has source ranges")
    func serviceFlags() throws {
        for (mode, number) in [(Mode.snat, L4LB_MODE_SNAT), (.dsr, L4LB_MODE_DSR)] {
            let contents = try plan(
                request("40.1.1.1:80"), request("40.1.1.2:80", algorithm: "random", sourceRanges: "10.0.0.0/8"),
                mode: mode
            ).contents
            let (plain, other) = (try #require(contents["40.1.1.1:80"]), try #require(contents["40.1.1.2:80"]))
            #expect(UInt32(plain.mode) == number.rawValue)
            #expect(plain.flags == 0)
            #expect(UInt32(other.flags) == L4LB_SERVICE_RANDOM.rawValue | L4LB_SERVICE_SOURCE_RANGES.rawValue)
        }
    }

    @Test("a backend that has left keeps its entry and its way in until it is released")
    func departed() throws {
        var state = DesiredState(mode: .snat)
        _ = try state.update(request("40.1.1.1:80", id: "5"), origin: .command)
        var plan = try Plan(network.input(state), indices: BackendIndices(capacity: 16))
        var memory = PlanMemory()
        memory.remember(plan, of: state)

        // First one backend leaves, then the service as a whole.
        _ = try state.update(request("40.1.1.1:80", "20.1.1.20:80"), origin: .command)
        plan = try Plan(network.input(state), indices: plan.indices, previous: memory)
        memory.remember(plan, of: state)
        #expect(UInt32(try #require(plan.contents.backends[0]).flags) == L4LB_BACKEND_REACHABLE.rawValue)
        #expect(Set(try #require(plan.contents.tables[5])) == [1])

        _ = try state.delete(id: 5, origin: .command)
        plan = try Plan(network.input(state), indices: plan.indices, previous: memory)
        memory.remember(plan, of: state)
        #expect(plan.contents.services.isEmpty)
        #expect(plan.contents.tables.isEmpty)
        #expect(plan.contents.addresses.isEmpty)
        for index in [UInt16(0), 1] {
            let backend = try #require(plan.contents.backends[index])
            #expect(UInt32(backend.flags) == L4LB_BACKEND_REACHABLE.rawValue)
            #expect(backend.service == 5)
        }
        #expect(plan.contents.filter.has("40.1.1.1" as IPAddress), "packets of its connections are still looked at")
        #expect(plan.contents.filter.has("20.1.1.1" as IPAddress), "and so are the backends' replies")

        var indices = plan.indices
        for key in indices.all.keys { indices.release(key) }
        plan = try Plan(network.input(state), indices: indices, previous: memory)
        #expect(plan.contents.isSame(as: MapContents()))
    }

    @Test("a service that is replaced keeps the places of its backends")
    func keepsPlaces() throws {
        let first = try plan(request("40.1.1.1:80"))
        let second = try plan(request("40.1.1.1:80", "20.1.1.30:80,20.1.1.20:80"), indices: first.indices)
        #expect(second.indices[.init(frontend: "40.1.1.1:80", backend: "20.1.1.20:80")] == 1)
        #expect(second.indices[.init(frontend: "40.1.1.1:80", backend: "20.1.1.30:80")] == 2)
        #expect(Set(try #require(second.contents.tables[1])) == [1, 2])
    }

    @Test("when no place for a backend is left the plan is refused, naming the frontend")
    func full() throws {
        var indices = BackendIndices(capacity: 2)
        _ = indices.index(for: .init(frontend: "40.1.1.9:80", backend: "20.1.1.10:80"))
        #expect(
            throws: BalancerError.refused(
                "40.1.1.1:80/tcp: all 2 places for backends are taken, some by backends that have left but still have connections: raise --bpf-lb-map-max or wait"
            )
        ) { _ = try plan(request("40.1.1.1:80"), indices: indices) }
    }

    @Test("a remembered table is used only for the very same service")
    func memory() throws {
        var state = DesiredState(mode: .snat)
        _ = try state.update(request("40.1.1.1:80"), origin: .command)
        let plan = try Plan(network.input(state), indices: BackendIndices(capacity: 16))
        var memory = PlanMemory()
        memory.remember(plan, of: state)
        let mark = [UInt16](repeating: 1, count: Network.size)
        memory.tables[1]?.table = mark
        func table(_ request: ServiceRequest) throws -> [UInt16]? {
            var state = DesiredState(mode: .snat)
            _ = try state.update(request, origin: .command)
            return try Plan(network.input(state), indices: plan.indices, previous: memory).contents.tables[1]
        }
        #expect(try table(request("40.1.1.1:80", affinity: "")) == mark)
        #expect(try table(request("40.1.1.1:80", weights: "2,1")) != mark)
        #expect(try table(request("40.1.1.1:80", states: "active,draining")) != mark)
        #expect(try table(request("40.1.1.1:81")) != mark)
    }
}
