import Addresses
import Balancer
import Testing

/// The program against the reference model, frame by frame.
extension PacketTests {
    @Suite struct DifferentialTests {
        /// Frontends of every kind: for each build those that it can have.
        static func services(_ build: Build) -> [String] {
            let (v4, v6) = (backends(Place.backends, 8080), backends(Place.backends6, 8080))
            let follow = ["tcp", "udp"].flatMap { transport in
                [
                    "40.1.1.1:80/\(transport) \(v4)", "[2001:db8:40::1]:80/\(transport) \(v6)",
                    "40.1.1.2:*/\(transport) \(backends(Place.backends, 0))",
                    "[2001:db8:40::2]:*/\(transport) \(backends(Array(Place.backends6.prefix(2)), 0))",
                ]
            }
            let odd = [
                "40.1.1.2:443 \(backends([Place.backend(2)], 443)) ranges=192.0.2.12/32 policy=deny",
                // The host's own address.
                "40.1.1.3:80 \(backends([Place.backend(1)], 80))",
                "[2001:db8:40::3]:80 \(backends([Place.backend6(1)], 80))",
                "40.1.1.1:81 \(backends([Place.backend(3)], 80)) states=draining",
            ]
            let mixed = [
                "40.1.1.1:444/udp \(backends(Array(Place.backends6.prefix(3)), 444)) mode=dsr",
                "[2001:db8:40::1]:444/tcp \(backends(Place.backends, 444)) mode=dsr",
            ]
            let other = [
                "40.1.1.1:445 \(backends(Place.backends, 445)) mode=\(build.mode == .snat ? "dsr" : "snat")",
                "[2001:db8:40::1]:445 \(backends([Place.backend6(2), Place.backend6(4)], 445)) mode=\(build.mode == .snat ? "dsr" : "snat")",
            ]
            let modes = build.paths.modes
            return follow + odd + (modes.contains(.dsr) ? mixed : []) + (modes.count == 2 ? other : [])
        }

        static func backends(_ places: [Place], _ port: UInt16) -> String {
            places.map { "\(Endpoint($0.address, port: port))" }.joined(separator: ",")
        }

        /// Frontends, what is none of their ports, and addresses that are none.
        static let targets: [TrafficGenerator.Target] = [
            ("40.1.1.1", 80), ("40.1.1.1", 80), ("40.1.1.1", 80), ("40.1.1.1", 444), ("40.1.1.1", 445),
            ("40.1.1.1", 81), ("40.1.1.1", 22), ("40.1.1.2", 443), ("40.1.1.2", 7), ("40.1.1.3", 80), ("40.1.1.3", 22),
            ("40.1.1.9", 80), ("20.1.1.1", 80), ("2001:db8:40::1", 80), ("2001:db8:40::1", 80), ("2001:db8:40::1", 80),
            ("2001:db8:40::1", 444), ("2001:db8:40::1", 445), ("2001:db8:40::1", 22), ("2001:db8:40::2", 7),
            ("2001:db8:40::3", 80), ("2001:db8:40::3", 22), ("2001:db8:40::9", 80), ("2001:db8:20::1", 80),
        ].map { TrafficGenerator.Target(address: IPAddress($0.0)!, port: $0.1) }

        static func comparison(_ build: Build, sources: SourceAddresses = SourceAddresses()) throws -> Comparison {
            try Comparison(build, sources: sources, services: services(build)) { bed in
                bed.hostAddresses.formUnion(["40.1.1.3", "2001:db8:40::3"])
                // A narrow way, and backends on another device.
                bed.nextHops[Place.backend(4).address]?.mtu = 1420
                bed.nextHops[Place.backend6(4).address]?.mtu = 1420
                bed.nextHops[Place.backend(4).address]?.interface = 7
                bed.nextHops[Place.backend6(4).address]?.interface = 7
                bed.nextHops[Place.backend(2).address]?.mtu = 9000
                bed.nextHops[Place.backend6(2).address]?.mtu = 9000
                bed.nextHops[Place.backend(3).address]?.interface = 7
                bed.nextHops[Place.backend6(3).address]?.interface = 7
            }
        }

        static let frames = 26_000

        /// Sends frames through both, with changes between them; stops after a few differences.
        static func run(_ comparison: Comparison, frames: Int, seed: UInt64, services: [String]) throws {
            var traffic = TrafficGenerator(seed: seed, targets: targets)
            var changes = Changes(random: SplitMix64(seed: seed &+ 1), services: services)
            var faults = 0
            for number in 0..<frames where faults < 5 {
                let frame = traffic.next()
                let (outcome, differences) = try comparison.send(frame)
                traffic.learn(frame, outcome)
                if !differences.isEmpty {
                    Issue.record("frame \(number): \(hex(frame))\n  \(differences.joined(separator: "\n  "))")
                    faults += 1
                }
                guard number % 400 == 399 else { continue }
                let lines = try comparison.differencesOfConnections()
                if !lines.isEmpty {
                    Issue.record("connections after frame \(number):\n  \(lines.prefix(8).joined(separator: "\n  "))")
                    faults += 1
                }
                try comparison.pass(UInt32(traffic.number(1..<5)) * 16)
                if number % 1600 == 1599 { try changes.make(comparison) }
            }
        }

        /// The ways that a build has, so that none is left untried.
        static func ways(_ build: Build) -> [String] {
            let kinds = ["plain", "with headers", "first fragment", "later fragment"]
            let families = ["IPv4", "IPv6"]
            var ways = [
                "pass", "malformed", "fragment", "ip_options", "ipv6_extension", "udp_checksum_zero", "source_range",
                "no_backend", "no_neighbour", "ttl_expired_reply", "too_big",
            ]
            for family in families {
                ways += ["echo \(family)", "time exceeded \(family)"]
                if build.paths.modes.contains(.snat) {
                    ways += kinds.flatMap { ["SNAT \(family) \($0)", "reply \(family) \($0)"] }
                    ways += ["error to SNAT backend \(family)", "error to SNAT client \(family)"]
                    ways.append("too big snat \(family) to \(family)")
                }
                guard build.paths.modes.contains(.dsr) else { continue }
                for outer in families {
                    ways += kinds.map { "DSR \(family) \($0) in \(outer)" }
                    ways += ["error to DSR backend \(family) in \(outer)", "error to DSR client \(family) in \(outer)"]
                    ways.append("too big dsr \(family) to \(outer)")
                }
                ways.append("icmp_quote_too_short")
            }
            return ways
        }

        @Test("the program does with each packet what the reference model says", arguments: Build.allCases)
        func agrees(build: Build) throws {
            let comparison = try Self.comparison(build)
            let seed = UInt64(Build.allCases.firstIndex(of: build)!) + 11
            try Self.run(comparison, frames: Self.frames, seed: seed, services: Self.services(build))
            let untried = Self.ways(build).filter { comparison.ways[$0] == nil }
            #expect(untried.isEmpty)
            for verdict in [Verdict.pass, .drop, .transmit, .redirect] {
                #expect(comparison.verdicts[verdict] ?? 0 > 200, "\(comparison.verdicts)")
            }
        }

        @Test("so it does where SNAT and DSR send from several addresses", arguments: [Build.bothInSNAT, .bothInDSR])
        func spread(build: Build) throws {
            let sources = SourceAddresses(
                snat: ["20.1.1.1", "20.1.1.2", "20.1.1.3", "2001:db8:20::1", "2001:db8:20::2"],
                rss4: IPPrefix("20.1.2.0/24"), rss6: IPPrefix("2001:db8:21::/64"))
            let comparison = try Self.comparison(build, sources: sources)
            try Self.run(comparison, frames: 8000, seed: 21, services: Self.services(build))
            let connections = comparison.model.connections.values
            #expect(Set(connections.compactMap(\.translated?.address)).count == 5)
            #expect(Set(connections.compactMap(\.outerSource)).count > 20)
        }
    }
}
