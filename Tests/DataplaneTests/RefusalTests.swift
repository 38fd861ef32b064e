import Addresses
import Balancer
import Testing

/// Packets that cannot be forwarded: a counted drop where they are for a frontend, else PASS.
extension PacketTests {
    @Suite struct RefusalTests {
        typealias Row = (name: String, reason: String, frame: [UInt8])

        static let tcp = Packet.request(.tcp, .ack, payload: [1, 2, 3, 4])
        static let udp = Packet.request(.udp, payload: [1, 2, 3, 4])

        static func total(_ length: UInt16, _ packet: Packet) -> [UInt8] {
            packet.bytes.replacing(at: 16, with: length.octets).withIPChecksum
        }

        static func from(_ source: String, _ packet: Packet) -> [UInt8] {
            var packet = packet
            packet.source = IPAddress(source)!
            return packet.bytes
        }

        static func fragment(_ field: UInt16, _ packet: Packet) -> [UInt8] {
            packet.bytes.replacing(at: 20, with: field.octets).withIPChecksum
        }

        static func options(_ options: [UInt8], _ packet: Packet) -> [UInt8] {
            var packet = packet
            packet.options = options
            return packet.bytes
        }

        /// Whether a frame is for a frontend is told by its ports, so these are the rows that have some.
        static let rows: [Row] =
            [
                ("TCP data offset 4", "malformed", tcp.bytes.replacing(at: 46, with: 0x40)),
                ("TCP data offset 0", "malformed", tcp.bytes.replacing(at: 46, with: 0x00)),
                ("TCP data offset behind the packet's end", "malformed", tcp.bytes.replacing(at: 46, with: 0x70)),
                ("UDP length 7", "malformed", udp.bytes.replacing(at: 38, with: [0, 7])),
                ("UDP length 0", "malformed", udp.bytes.replacing(at: 38, with: [0, 0])),
                ("UDP length behind the packet's end", "malformed", udp.bytes.replacing(at: 38, with: [0, 13])),
                ("TCP with an IP length behind the frame's end", "malformed", total(45, tcp)),
                ("UDP with an IP length behind the frame's end", "malformed", total(33, udp)),
                ("an IP length of 65535", "malformed", total(65535, tcp)),
                ("TCP with an IP length less than the TCP header", "malformed", total(39, tcp)),
                ("UDP with an IP length less than the UDP header", "malformed", total(27, udp)),
                ("TCP with an IP length of the ports alone", "malformed", total(24, tcp)),
                ("TCP cut off in its header", "malformed", Array(tcp.bytes[..<53])),
                ("TCP cut off behind its ports", "malformed", Array(tcp.bytes[..<38])),
                ("UDP cut off behind its ports", "malformed", Array(udp.bytes[..<38])),
                ("a first fragment with half of a TCP header", "malformed", total(30, tcp).asFirstFragment),
                ("a first fragment with half of a UDP header", "malformed", total(26, udp).asFirstFragment),
                ("TCP with a loose source route", "ip_options", options([131, 3, 4, 0], tcp)),
                ("UDP with a strict source route", "ip_options", options([1, 137, 3, 4], udp)),
                ("an IP option of length 0", "malformed", options([7, 0, 0, 0], tcp)),
                ("an IP option of length 1", "malformed", options([1, 7, 1, 0], udp)),
                ("an IP option that ends behind the header", "malformed", options([7, 5, 4, 0], tcp)),
            ]
            + impossible.map { ("TCP from \($0)", "malformed", from($0, tcp)) }
            + impossible.map { ("UDP from \($0)", "malformed", from($0, udp)) }

        /// Multicast, loopback, this network, reserved, broadcast, and the frontend itself.
        static let impossible = [
            "224.0.0.1", "239.255.255.255", "127.0.0.1", "127.255.1.1", "0.0.0.0", "0.1.2.3", "240.0.0.1",
            "255.255.255.255", "40.1.1.1",
        ]

        /// Without ports: only an address that is all ours makes these ours.
        static let portless: [Row] = [
            ("IP header length 4", "malformed", tcp.bytes.replacing(at: 14, with: 0x44).withIPChecksum),
            ("IP header length 0", "malformed", tcp.bytes.replacing(at: 14, with: 0x40).withIPChecksum),
            ("IP version 6 in an IPv4 frame", "malformed", tcp.bytes.replacing(at: 14, with: 0x65).withIPChecksum),
            ("IP version 0", "malformed", tcp.bytes.replacing(at: 14, with: 0x05).withIPChecksum),
            ("TCP cut off in its ports", "malformed", Array(tcp.bytes[..<36])),
            ("UDP without a byte of its header", "malformed", Array(udp.bytes[..<34])),
            ("a later fragment of TCP", "fragment", fragment(0x2001, tcp)),
            ("a fragment from the end of a large packet", "fragment", fragment(0x1000, tcp)),
            ("the last fragment of UDP", "fragment", fragment(0x00b9, udp)),
        ]

        static func check(_ rows: [Row], _ build: Build, isHost: Bool = false, drops: Bool) throws {
            let bed = try Testbed(build)
            if isHost { bed.hostAddresses.insert(Place.frontend) }
            try bed.serveBoth()
            // As the sieve knows the address, packets to other services there are looked at as well.
            try bed.serve("40.1.1.1:8443")
            for row in rows {
                let before = try bed.counters()
                let out = try bed.send(row.frame)
                if drops {
                    #expect(out.verdict == .drop, "\(row.name)")
                    #expect(try bed.counters()[row.reason] == (before[row.reason] ?? 0) + 1, "\(row.name)")
                } else {
                    #expect(out == Outcome(verdict: .pass, frame: row.frame), "\(row.name)")
                    #expect(try bed.counters() == before, "\(row.name)")
                }
            }
            #expect(try bed.connections().isEmpty)
        }

        @Test("what cannot be forwarded to a frontend is dropped, with its reason counted", arguments: Build.allCases)
        func dropped(build: Build) throws {
            try Self.check(Self.rows + Self.portless, build, drops: true)
        }

        @Test("the same to another port of the frontend's address goes on to the host", arguments: Build.allCases)
        func otherPort(build: Build) throws {
            let rows = Self.rows.map { row in
                let ports = 14 + Int(row.frame[14] & 15) * 4
                return (name: row.name, reason: row.reason, frame: row.frame.replacing(at: ports + 2, with: [0, 81]))
            }
            try Self.check(rows, build, drops: false)
        }

        @Test("the same to an address without a service goes on to the host", arguments: Build.allCases)
        func otherAddress(build: Build) throws {
            let rows = (Self.rows + Self.portless).map { row in
                let frame = row.frame.replacing(at: 30, with: [40, 1, 1, 2]).withIPChecksum
                return (name: row.name, reason: row.reason, frame: frame)
            }
            try Self.check(rows, build, drops: false)
        }

        @Test("the same to the balancer's own address goes on to the host", arguments: Build.allCases)
        func ownAddress(build: Build) throws {
            let rows = (Self.rows + Self.portless).map { row in
                let frame = row.frame.replacing(at: 30, with: Place.balancer.address.octets).withIPChecksum
                return (name: row.name, reason: row.reason, frame: frame)
            }
            try Self.check(rows, build, drops: false)
        }

        @Test(
            "of a frontend that is the host's own address, only what has the service's port is dropped",
            arguments: Build.allCases)
        func hostFrontend(build: Build) throws {
            try Self.check(Self.rows, build, isHost: true, drops: true)
            try Self.check(Self.portless, build, isHost: true, drops: false)
        }

        @Test(
            "a frontend without a backend that takes connections drops, and counts it", arguments: Build.allCases,
            TransportProtocol.allCases)
        func noBackend(build: Build, transport: TransportProtocol) throws {
            for states in ["draining", "maintenance"] {
                let bed = try Testbed(build)
                try bed.serveBoth([1], states: states)
                for ttl in [UInt8(64), 1] {
                    #expect(try bed.send(.request(transport, ttl: ttl)).verdict == .drop)
                }
                #expect(try bed.counters() == ["no_backend": 2])
            }
        }

        @Test(
            "a backend whose link address is not known drops, and counts it, until it is", arguments: Build.allCases,
            TransportProtocol.allCases)
        func noNeighbour(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            bed.nextHops[Place.backend(1).address]?.linkAddress = nil
            try bed.serveBoth([1])
            for _ in 0..<3 { #expect(try bed.send(.request(transport)).verdict == .drop) }
            #expect(try bed.counters() == ["no_neighbour": 3])
            #expect(try bed.connections().isEmpty)
            bed.nextHops[Place.backend(1).address]?.linkAddress = Place.backend(1).link
            try bed.apply()
            try bed.forward(.request(transport), build.mode)
        }
    }
}

extension [UInt8] {
    /// With "more fragments" set in the IP header.
    fileprivate var asFirstFragment: [UInt8] { replacing(at: 20, with: [0x20, 0]).withIPChecksum }
}
