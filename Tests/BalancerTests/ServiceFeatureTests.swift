import Addresses
import CDataplane
import Testing

@testable import Balancer

/// What a service may have of its own, as it is read, refused and planned.
@Suite struct ServiceFeatureTests {
    private static let six = "[2001:db8::1]:80"
    private static let sixBackend = "[2001:db8:20::10]:80"

    private func plan(_ request: ServiceRequest, mode: Mode = .dsr, host: Set<IPAddress> = []) throws -> MapContents {
        var network = Network(reaching: ["20.1.1.10", "20.1.1.20", "2001:db8:20::10"])
        network.hostAddresses = host
        var state = DesiredState(mode: mode)
        _ = try state.update(request, origin: .command)
        return try Plan(network.input(state), indices: BackendIndices(capacity: 16)).contents
    }

    @Test("what is left out has its default, also when a service is replaced")
    func defaults() throws {
        var state = DesiredState(mode: .snat)
        _ = try state.update(
            request("40.1.1.1:80", sourceRanges: "10.0.0.0/8", policy: "deny", mode: "dsr", maxNewConnections: "5"),
            origin: .command)
        let full = try state.service(id: 1)
        #expect(full.mode == .dsr && full.maxNewConnections == 5 && full.sourceRangesPolicy == .deny)
        #expect(state.mode(of: full) == .dsr)
        _ = try state.update(request("40.1.1.1:80"), origin: .command)
        let plain = try state.service(id: 1)
        #expect(plain.mode == nil && plain.maxNewConnections == nil && plain.sourceRangesPolicy == .allow)
        #expect(state.mode(of: plain) == .snat)
    }

    @Test("backends of another family are refused in SNAT, whoever says SNAT")
    func families() throws {
        let v4 =
            "--backends: \(Self.sixBackend) is IPv6 and the frontend IPv4, which only DSR brings together: add --mode=dsr, or give an IPv4 backend"
        let v6 =
            "--backends: 20.1.1.10:80 is IPv4 and the frontend IPv6, which only DSR brings together: add --mode=dsr, or give an IPv6 backend"
        for (agent, own) in [(Mode.snat, nil), (.snat, "snat"), (.dsr, "snat")] as [(Mode, String?)] {
            var state = DesiredState(mode: agent)
            #expect(throws: BalancerError.refused(v4)) {
                _ = try state.update(
                    request("40.1.1.1:80", "20.1.1.10:80,\(Self.sixBackend)", mode: own), origin: .command)
            }
            #expect(throws: BalancerError.refused(v6)) {
                _ = try state.update(request(Self.six, "20.1.1.10:80", mode: own), origin: .command)
            }
            #expect(state == DesiredState(mode: agent))
        }
        for (agent, own) in [(Mode.dsr, nil), (.dsr, "dsr"), (.snat, "dsr")] as [(Mode, String?)] {
            var state = DesiredState(mode: agent)
            _ = try state.update(request(Self.six, "20.1.1.10:80,\(Self.sixBackend)", mode: own), origin: .command)
        }
    }

    @Test("the agent's mode does not become SNAT while a service that follows it has two families")
    func modeUpdate() throws {
        var state = DesiredState(mode: .dsr)
        _ = try state.update(request("40.1.1.1:80", Self.sixBackend, id: "9"), origin: .command)
        let before = state
        #expect(
            throws: BalancerError.refused(
                "mode update: service 9 (40.1.1.1:80/tcp) has backends of another family, which only DSR reaches: give it --mode=dsr, or delete it first"
            )
        ) { try state.setMode(.snat) }
        #expect(state == before)
        _ = try state.update(request("40.1.1.1:80", Self.sixBackend, mode: "dsr"), origin: .command)
        try state.setMode(.snat)
        #expect(state.mode == .snat)
        #expect(state.mode(of: try state.service(id: 9)) == .dsr)
    }

    @Test("an IPv6 service becomes its entries, byte for byte")
    func ipv6() throws {
        let contents = try plan(request(Self.six, Self.sixBackend, sourceRanges: "2001:db8::/32,10.0.0.0/8"))
        let prefix: [UInt8] = [0x20, 0x01, 0x0d, 0xb8]
        let key = try #require(contents.services.keys.first)
        #expect(bytes(key.raw) == prefix + [UInt8](repeating: 0, count: 11) + [1, 0, 80, 6, 0])
        let backend = try #require(contents.backends[0])
        #expect(UInt32(backend.flags) & L4LB_BACKEND_IPV6.rawValue != 0)
        #expect(bytes(backend.address6) == prefix + [0, 0x20] + [UInt8](repeating: 0, count: 9) + [0x10])
        #expect(bytes(backend.source6) == prefix + [0, 0x20] + [UInt8](repeating: 0, count: 9) + [1])
        #expect(backend.address == 0)
        #expect(bytes(backend.source) == [20, 1, 1, 1], "our ICMP to IPv4 clients comes from there")
        #expect(backend.mtu == 9000)
        #expect(contents.filter.has("2001:db8::1" as IPAddress) && contents.filter.has("2001:db8:20::1" as IPAddress))
        #expect(contents.addresses == [Key(l4lb_address("2001:db8::1"))])
        let lengths = contents.sourceRanges.map(\.raw.prefix_length).sorted()
        #expect(lengths == [64, 136], "32 bits of the service, and IPv4's 96")
    }

    @Test("a backend of the other family is reached by its own, and named in the other")
    func otherFamily() throws {
        let contents = try plan(request("40.1.1.1:80", "20.1.1.10:80,\(Self.sixBackend)"))
        let (four, six) = (try #require(contents.backends[0]), try #require(contents.backends[1]))
        #expect(UInt32(four.flags) & L4LB_BACKEND_IPV6.rawValue == 0)
        #expect(bytes(four.address) == [20, 1, 1, 10])
        #expect(UInt32(six.flags) & L4LB_BACKEND_IPV6.rawValue != 0)
        #expect(bytes(six.source) == [20, 1, 1, 1])
        #expect(Set(try #require(contents.tables[1])) == [0, 1])
    }

    @Test("source ranges allow or deny, and the entry says which")
    func policy() throws {
        let rows: [(String?, String?, UInt32)] = [
            (nil, nil, 0), ("10.0.0.0/8", nil, L4LB_SERVICE_SOURCE_RANGES.rawValue),
            ("10.0.0.0/8", "allow", L4LB_SERVICE_SOURCE_RANGES.rawValue),
            ("10.0.0.0/8", "deny", L4LB_SERVICE_SOURCE_DENY.rawValue), (nil, "allow", 0),
        ]
        for (ranges, policy, flags) in rows {
            let contents = try plan(request("40.1.1.1:80", sourceRanges: ranges, policy: policy))
            #expect(UInt32(try #require(contents["40.1.1.1:80"]).flags) == flags)
        }
    }

    @Test(
        "a limit of new connections is a budget in 1/1024, for a tick of a quarter second and for a second",
        arguments: [(1, 256), (3, 768), (100, 25_600), (10_000_000, 2_560_000_000)] as [(UInt64, UInt64)])
    func limit(limit: UInt64, perTick: UInt64) throws {
        let service = try #require(
            try plan(request("40.1.1.1:80", maxNewConnections: "\(limit)"))["40.1.1.1:80"])
        #expect(UInt32(service.flags) == L4LB_SERVICE_LIMITED.rawValue)
        #expect(service.new_per_tick == perTick)
        #expect(service.new_most == limit * 1024)
    }

    @Test("a service on all ports has port 0, as has a backend that keeps the client's port")
    func allPorts() throws {
        let contents = try plan(request("40.1.1.1:*/udp", "20.1.1.10:*,20.1.1.20:53"))
        let key = try #require(contents.services.keys.first)
        #expect(key.raw.port == 0 && key.raw.protocol == 17)
        #expect(try #require(contents.backends[0]).port == 0)
        #expect(bytes(try #require(contents.backends[1]).port) == [0, 53])
        #expect(contents.filter.has("40.1.1.1:*" as Frontend))
    }

    @Test("all ports of an address that the host has been given take no new connections")
    func withheld() throws {
        for (frontend, isTaken) in [("40.1.1.1:*", false), ("40.1.1.1:80", true), ("40.1.1.2:*", true)] {
            let contents = try plan(request(frontend, "20.1.1.10:80"), host: ["40.1.1.1"])
            #expect(contents.services.isEmpty == !isTaken, "\(frontend)")
            #expect(contents.tables.isEmpty == !isTaken, "\(frontend)")
            #expect(contents.backends.count == 1, "connections that exist go on")
        }
    }

    @Test("an own frontend as backend is refused, on all ports whatever its port")
    func ownBackend() throws {
        var state = DesiredState(mode: .dsr)
        for (frontend, backend) in [
            ("40.1.1.1:80", "40.1.1.1:80"), ("40.1.1.1:*", "40.1.1.1:80"), ("40.1.1.1:*", "40.1.1.1:*"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ] {
            #expect(throws: BalancerError.refused("--backends: \(backend) is the frontend itself")) {
                _ = try state.update(request(frontend, backend), origin: .command)
            }
        }
    }
}
