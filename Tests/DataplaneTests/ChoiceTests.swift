import Addresses
import Balancer
import Testing

/// Which backend a new connection gets.
extension PacketTests {
    @Suite struct ChoiceTests {
        static let protocols = TransportProtocol.allCases

        /// The public hash of bpf/service.h: the words of the packet as they lie in memory on a
        /// little-endian machine.
        static func backendHash(_ packet: Packet, seed: UInt64) -> UInt32 {
            let word = { (octets: [UInt8]) in octets.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
            var hash = (seed ^ word(packet.source.octets + packet.destination.octets)) &* 0xff51_afd7_ed55_8ccd
            let rest = word(packet.ports.octets + [packet.protocolNumber])
            hash = (hash ^ hash >> 33 ^ rest) &* 0xc4ce_b9fe_1a85_ec53
            hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
            return UInt32((hash ^ hash >> 33) >> 32)
        }

        /// The backend that the service's table has for a packet.
        static func expected(_ packet: Packet, _ bed: Testbed) throws -> IPAddress {
            let transport: TransportProtocol = packet.protocolNumber == 6 ? .tcp : .udp
            let frontend = Frontend(packet.destinationEndpoint, transport)
            let service = try #require(bed.state.services.values.first { $0.frontend == frontend })
            let table = try #require(bed.contents.tables[service.id])
            #expect(table.count == Programs.maglevSize)
            let hash = backendHash(packet, seed: Programs.maglevSeed)
            let slot = Int((UInt64(hash) * UInt64(Programs.maglevSize)) >> 32)
            let key = try #require(bed.indices.key(at: table[slot]))
            return key.backend.address
        }

        static func strangers(_ count: Int, _ transport: TransportProtocol) -> [Packet] {
            var random = SplitMix64(seed: 4)
            return (0..<count).map { _ in
                var client = Place.client
                client.address = .v4(IPv4Address(value: UInt32.random(in: 0x0100_0000..<0x7f00_0000, using: &random)))
                return .request(transport, from: UInt16.random(in: 1...65535, using: &random), of: client)
            }
        }

        @Test(
            "a new connection gets the backend that the Maglev table has for its hash", arguments: Build.allCases,
            protocols)
        func table(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            var seen: Set<IPAddress> = []
            for request in Self.strangers(150, transport) {
                let expected = try Self.expected(request, bed)
                #expect(try bed.forward(request, build.mode).destination == expected)
                seen.insert(expected)
            }
            #expect(seen.count == 4)
        }

        @Test("balancers with other flow tables and other modes choose the same backends", arguments: protocols)
        func sameEverywhere(transport: TransportProtocol) throws {
            let beds = try [
                (Testbed(.snat), Mode.snat), (Testbed(.dsr) { $0.flow_seed = (1, 3, 5, 7, 9) }, .dsr),
                (Testbed(.bothInSNAT, connections: 64, snatPorts: [UInt16](1024..<9000)), .snat),
            ]
            // The last one got its backends in another order.
            for (bed, _) in beds.dropLast() { try bed.serveBoth() }
            try beds[2].0.serveBoth([4, 2, 3, 1])
            for request in Self.strangers(50, transport) {
                let chosen = try beds.map { try $0.0.forward(request, $0.1).destination }
                #expect(Set(chosen).count == 1)
            }
        }

        @Test(
            "clients outside the source ranges are dropped and counted, those inside are served",
            arguments: Build.allCases)
        func sourceRanges(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", sourceRanges: "10.0.0.0/8,192.0.2.8/30,198.51.100.7")
            try bed.serve("40.1.1.1:81", sourceRanges: "203.0.113.0/24")
            try bed.serve("40.1.1.1:82", sourceRanges: "0.0.0.0/0")
            let rows: [(String, UInt16, Bool)] = [
                ("10.0.0.0", 80, true), ("10.255.255.255", 80, true), ("9.255.255.255", 80, false),
                ("11.0.0.0", 80, false), ("192.0.2.8", 80, true), ("192.0.2.11", 80, true), ("192.0.2.7", 80, false),
                ("192.0.2.12", 80, false), ("198.51.100.7", 80, true), ("198.51.100.6", 80, false),
                ("203.0.113.1", 80, false), ("203.0.113.1", 81, true), ("10.0.0.1", 81, false), ("8.8.8.8", 82, true),
            ]
            for (address, port, isServed) in rows {
                var client = Place.client
                client.address = IPAddress(address)!
                let request = Packet.request(of: client, to: port)
                if isServed {
                    try bed.forward(request, build.mode, "\(address) to \(port)")
                } else {
                    #expect(try bed.send(request).verdict == .drop, "\(address) to \(port)")
                }
            }
            #expect(try bed.counters() == ["source_range": UInt64(rows.filter { !$0.2 }.count)])
        }

        @Test(
            "with the policy deny the clients in the source ranges are dropped, all others served",
            arguments: Build.allCases)
        func deniedRanges(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", sourceRanges: "10.0.0.0/8,192.0.2.12", policy: "deny")
            for (address, isServed) in [("10.1.2.3", false), ("192.0.2.12", false), ("192.0.2.13", true)] {
                var client = Place.client
                client.address = IPAddress(address)!
                if isServed {
                    try bed.forward(.request(of: client), build.mode, "\(address)")
                } else {
                    #expect(try bed.send(.request(of: client)).verdict == .drop, "\(address)")
                }
            }
            #expect(try bed.counters() == ["source_range": 2])
        }

        @Test("a connection goes on when its client is no longer in the source ranges", arguments: Build.allCases)
        func narrowed(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80")
            try bed.forward(.request(), build.mode)
            try bed.serve("40.1.1.1:80", sourceRanges: "10.0.0.0/8")
            try bed.forward(.request(.tcp, .ack), build.mode)
            #expect(try bed.send(.request(from: 40001)).verdict == .drop)
            try bed.serve("40.1.1.1:80")
            try bed.forward(.request(from: 40001), build.mode)
        }

        @Test(
            "with affinity a client stays with its backend over several connections, for a time",
            arguments: Build.allCases)
        func affinity(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", [1], affinity: "30")
            try bed.forward(.request(), build.mode)
            try bed.serve("40.1.1.1:80", [1, 2, 3, 4], affinity: "30")
            let elsewhere = try (40001..<40040).map { Packet.request(from: $0) }
                .filter { try Self.expected($0, bed) != Place.backend(1).address }
            #expect(elsewhere.count > 10)
            for request in elsewhere.prefix(5) {
                try bed.pass(30, affinityOf: Place.client.address)
                #expect(try bed.forward(request, build.mode).destination == Place.backend(1).address)
            }
            // Another client is free to go.
            let stranger = Place("192.0.2.11", "02:00:00:00:00:0d")
            let request = Packet.request(of: stranger)
            #expect(try bed.forward(request, build.mode).destination == Self.expected(request, bed))
            try bed.pass(31, affinityOf: Place.client.address)
            let fresh = elsewhere[6]
            let chosen = try bed.forward(fresh, build.mode).destination
            #expect(try chosen == Self.expected(fresh, bed))
            #expect(try bed.forward(elsewhere[7], build.mode).destination == chosen)
        }

        @Test(
            "a client whose backend takes no new connections gets another and stays there",
            arguments: Build.allCases, ["draining", "maintenance", "gone"])
        func affinityLost(build: Build, how: String) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", [1], affinity: "30")
            try bed.forward(.request(), build.mode)
            if how == "gone" {
                try bed.serve("40.1.1.1:80", [2, 3, 4], affinity: "30")
            } else {
                try bed.serve("40.1.1.1:80", [1, 2, 3, 4], states: "\(how),active,active,active", affinity: "30")
            }
            let next = try (UInt16(50000)..<50020).map {
                try bed.forward(.request(from: $0), build.mode).destination
            }
            #expect(Set(next).count == 1)
            #expect(next.first != Place.backend(1).address)
        }

        @Test("with the random algorithm connections of one client spread over all backends", arguments: Build.allCases)
        func random(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", algorithm: "random")
            var counts: [IPAddress: Int] = [:]
            for _ in 0..<200 {
                let out = try bed.forward(.request(), build.mode)
                // Each packet of the connection gets the backend that was drawn once.
                #expect(try bed.forward(.request(.tcp, .ack), build.mode).destination == out.destination)
                counts[out.destination, default: 0] += 1
                try bed.forward(.request(.tcp, .rst), build.mode)
            }
            #expect(counts.count == 4)
            // Fewer than 15 of 200 where 50 are to be expected: once in a hundred million runs.
            #expect(counts.values.allSatisfy { $0 >= 15 })
        }
    }
}
