import Addresses
import Balancer
import CDataplane
import Testing

@testable import Agent

/// What a service has of its own: mode, limit, all ports, whom it denies; and where packets come from.
extension PacketTests {
    @Suite struct ServiceFeatureTests {
        private static let frontend = "40.1.1.1:80"
        private static let backends = Place.backends.map { "\($0.address):\(Place.backendPort)" }.joined(separator: ",")
        private static let backends6 = Place.backends6.map { "[\($0.address)]:\(Place.backendPort)" }
            .joined(separator: ",")

        private static func client(_ address: String) -> Place {
            var client = Place.client
            client.address = IPAddress(address)!
            return client
        }

        @Test("denied source ranges are refused, all others served, in both families", arguments: Build.allCases)
        func deny(build: Build) throws {
            let bed = try Testbed(build, ipv6: true)
            for (frontend, backends) in [(Self.frontend, Self.backends), ("[2001:db8:40::1]:80", Self.backends6)] {
                try bed.serve(
                    .init(
                        frontend: frontend, backends: backends,
                        sourceRanges: "10.0.0.0/8,192.0.2.7,2001:db8:bad::/48", sourceRangesPolicy: "deny"))
            }
            let rows = [
                ("10.0.0.1", false), ("10.255.255.255", false), ("11.0.0.1", true), ("192.0.2.7", false),
                ("192.0.2.8", true), ("2001:db8:bad::1", false), ("2001:db8:bad:ffff::1", false),
                ("2001:db8:bae::1", true), ("2001:db8:c::1", true),
            ]
            for (address, isServed) in rows {
                let request = Packet.request(of: Self.client(address))
                if isServed {
                    try bed.forward(request, build.mode, "\(address)")
                } else {
                    #expect(try bed.send(request).verdict == .drop, "\(address)")
                }
            }
            #expect(try bed.counters() == ["source_range": 5])
            let own = try [1, 2].map {
                try #require(try bed.maps.serviceDrops.sums(UInt32($0)))[Int(DropReason.sourceRange.counter)]
            }
            #expect(own == [3, 2], "each service has its own drops")
        }

        @Test(
            "over the limit new connections are dropped, others go on, and time brings new ones",
            arguments: Build.allCases)
        func limit(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve(.init(frontend: Self.frontend, backends: Self.backends, maxNewConnections: "5"))
            try bed.serve(.init(frontend: "40.1.1.1:81", backends: Self.backends))
            /// How many of ten new connections begin.
            func begun(from first: UInt16) throws -> Int {
                try (first..<first + 10).count { try bed.send(.request(from: $0)).verdict == .transmit }
            }
            #expect(try begun(from: 1000) == 5)
            #expect(try begun(from: 2000) == 0)
            for port in UInt16(1000)..<1005 { try bed.forward(.request(from: port, .ack), build.mode) }
            try bed.forward(.request(to: 81), build.mode, "another service has no limit")
            #expect(try bed.counters() == ["new_connection_limit": 15])
            // A tick of the tests is as long as a second.
            func pass() throws {
                var budget = try #require(try bed.maps.budgets.lookup(UInt32(1), initial: l4lb_budget()))
                budget.tick &-= 1
                try bed.maps.budgets.update(UInt32(1), budget)
            }
            try pass()
            #expect(try begun(from: 3000) == 5)
            for _ in 1...3 { try pass() }
            #expect(try begun(from: 4000) == 5, "what was not used is not saved up for more than a second")
            try bed.serve(.init(frontend: Self.frontend, backends: Self.backends))
            #expect(try begun(from: 5000) == 10)
        }

        @Test("a deleted service's counters and budget do not come back with its id", arguments: [Build.snat])
        func accounts(build: Build) throws {
            let bed = try Testbed(build)
            for frontend in [Self.frontend, "40.1.1.1:81"] {
                try bed.serve(.init(frontend: frontend, backends: Self.backends, maxNewConnections: "1"))
                let port = try #require(UInt16(frontend.suffix(2)))
                #expect(try bed.send(.request(from: 1, to: port)).verdict == .transmit)
                #expect(try bed.send(.request(from: 2, to: port)).verdict == .drop)
                let drops = try #require(try bed.maps.serviceDrops.sums(UInt32(1)))
                #expect(drops.reduce(0, +) == 1)
                _ = try bed.state.delete(id: 1, origin: .command)
                try bed.apply()
                #expect(try bed.maps.serviceDrops.sums(UInt32(1)) == nil)
            }
        }

        @Test("all ports without a service of their own go to the service on all ports", arguments: Build.allCases)
        func allPorts(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve(.init(frontend: "40.1.1.1:*", backends: "20.1.1.10:*"))
            try bed.serve(.init(frontend: Self.frontend, backends: "20.1.1.20:8080"))
            let rows: [(UInt16, String, UInt16)] = [
                (1, "20.1.1.10", 1), (79, "20.1.1.10", 79), (80, "20.1.1.20", 8080), (81, "20.1.1.10", 81),
                (65535, "20.1.1.10", 65535),
            ]
            for (port, backend, backendPort) in rows {
                let out = try bed.send(.request(to: port)).sent("\(port)")
                #expect(out.destination == IPAddress(backend), "\(port)")
                if build.mode == .snat {
                    #expect(out.ports.destination == backendPort)
                    try bed.answer(out, .ack, to: .request(to: port))
                }
            }
            #expect(try bed.send(.request(.udp, to: 81)).verdict != .transmit, "the other protocol is another service")
            #expect(try bed.connections().count == rows.count)
        }

        @Test("a service's own mode overrides the agent's", arguments: [Build.bothInSNAT, .bothInDSR])
        func ownMode(build: Build) throws {
            let bed = try Testbed(build)
            let other: Mode = build.mode == .snat ? .dsr : .snat
            try bed.serve(.init(frontend: Self.frontend, backends: Self.backends, mode: other.rawValue))
            try bed.serve(.init(frontend: "40.1.1.1:81", backends: Self.backends))
            try bed.forward(.request(), other)
            try bed.forward(.request(to: 81), build.mode)
            try bed.updateMode(other)
            try bed.forward(.request(from: 2), other)
            try bed.forward(.request(from: 2, to: 81), other)
        }

        @Test(
            "SNAT spreads connections over the addresses that are given, and answers find back", arguments: Build.ofSNAT
        )
        func snatAddresses(build: Build) throws {
            let sources = try SourceAddresses(snat: "20.1.1.1,20.1.1.2,20.1.1.3,2001:db8:20::5", rss4: nil, rss6: nil)
            let ports = [UInt16](20000..<20100)
            let bed = try Testbed(build, ipv6: true, snatPorts: ports) { $0.set(sources) }
            bed.sources = sources
            bed.hostAddresses = Set(sources.snat)
            try bed.serve(.init(frontend: Self.frontend, backends: "20.1.1.10:8080"))
            try bed.serve(.init(frontend: "[2001:db8:40::1]:80", backends: "[2001:db8:20::10]:8080"))
            var used: [IPAddress: Set<UInt16>] = [:]
            for port in UInt16(1)...240 {
                let request = Packet.request(from: port)
                let out = try bed.send(request).sent()
                #expect(used[out.source, default: []].insert(out.ports.source).inserted, "no port is given twice")
                if port % 20 == 0 { try bed.answer(out, .ack, to: request) }
            }
            #expect(used.keys.sorted() == sources.snat(ofIPv6: false))
            #expect(used.values.allSatisfy { $0.count > 50 }, "\(used.mapValues(\.count))")
            let six = Packet.request(of: .client6)
            let out = try bed.send(six).sent()
            #expect(out.source == "2001:db8:20::5")
            try bed.answer(out, .ack, to: six)
            let use = try bed.snapshot().snatPortUse(ports: ports.count, sources: sources)
            #expect(use.map(\.available) == [300, 100])
        }

        @Test("DSR draws the outer source from the prefix, one for each flow", arguments: Build.ofDSR)
        func outerSource(build: Build) throws {
            let sources = try SourceAddresses(snat: nil, rss4: "10.10.0.0/16", rss6: "2001:db8:ee::/64")
            let bed = try Testbed(build, ipv6: true) { $0.set(sources) }
            try bed.serve(.init(frontend: Self.frontend, backends: Self.backends))
            try bed.serve(.init(frontend: "[2001:db8:40::1]:80", backends: Self.backends6))
            for (client, prefix) in [(Place.client, sources.rss4), (.client6, sources.rss6)] {
                var seen: Set<IPAddress> = []
                for port in UInt16(1)...50 {
                    let out = try bed.send(.request(from: port, of: client)).sent()
                    #expect(try #require(prefix).contains(out.source))
                    #expect(try bed.send(.request(from: port, of: client, .ack)).sent().source == out.source)
                    seen.insert(out.source)
                }
                #expect(seen.count > 40)
            }
        }
    }
}
