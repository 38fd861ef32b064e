import Addresses
import Balancer
import Testing

/// A SYN on a tuple that was used before: a new connection, or the old one's packet sent again.
extension PacketTests {
    @Suite struct BeginAnewTests {
        enum Side { case client, backend }
        typealias Row = (name: String, flags: [(Side, TCP.Flags)])

        static let handshake: [(Side, TCP.Flags)] = [(.client, .syn), (.backend, [.syn, .ack]), (.client, .ack)]

        static let ended: [Row] = [
            ("a RST of the client", handshake + [(.client, .rst)]),
            ("a RST of the client before the backend has answered", [(.client, .syn), (.client, [.rst, .ack])]),
        ]
        static let endedInSNAT: [Row] =
            ended + [
                ("a RST of the backend", handshake + [(.backend, .rst)]),
                ("a refusal by the backend", [(.client, .syn), (.backend, [.rst, .ack])]),
                ("FIN both ways", handshake + [(.client, [.fin, .ack]), (.backend, [.fin, .ack]), (.client, .ack)]),
                (
                    "FIN both ways, the backend's first",
                    handshake + [(.backend, [.fin, .ack]), (.client, [.fin, .ack])]
                ),
            ]
        static let endedInDSR: [Row] =
            ended + [
                ("the client's FIN", handshake + [(.client, [.fin, .ack])]),
                ("the client's FIN and its last ACK", handshake + [(.client, [.fin, .ack]), (.client, .ack)]),
            ]
        static let living: [Row] = [
            ("a SYN without an answer", [(.client, .syn)]),
            ("a SYN that was answered", [(.client, .syn), (.backend, [.syn, .ack])]),
            ("a handshake", handshake),
        ]
        static let livingInSNAT: [Row] =
            living + [
                ("the client's FIN alone", handshake + [(.client, [.fin, .ack])]),
                ("the backend's FIN alone", handshake + [(.backend, [.fin, .ack])]),
            ]

        /// Plays a connection's packets to backend 1; gives the last one that came to the backend.
        static func play(_ row: Row, _ bed: Testbed, _ mode: Mode) throws -> Packet {
            var last: Packet?
            for (side, flags) in row.flags {
                if side == .client {
                    last = try bed.forward(.request(.tcp, flags), mode, "\(row.name)")
                } else if mode == .snat {
                    try bed.answer(try #require(last), flags, to: .request(.tcp, flags))
                }
            }
            return try #require(last)
        }

        @Test("a SYN after a connection's end begins a new one at a current backend", arguments: Build.allCases)
        func ended(build: Build) throws {
            for row in build.mode == .snat ? Self.endedInSNAT : Self.endedInDSR {
                let bed = try Testbed(build)
                try bed.serve("40.1.1.1:80", [1])
                let old = try Self.play(row, bed, build.mode)
                try bed.serve("40.1.1.1:80", [2])
                let new = try bed.forward(.request(.tcp, .syn), build.mode, "\(row.name)")
                #expect(new.destination == Place.backend(2).address, "\(row.name)")
                #expect(old.destination == Place.backend(1).address)
                #expect(try bed.connections().map(\.state) == [.syn], "\(row.name)")
                #expect(try bed.connections().map(\.packets) == [1], "\(row.name)")
                #expect(try bed.counters() == [:], "\(row.name)")
            }
        }

        @Test("a SYN after a connection's end to the same backend gets another SNAT port", arguments: Build.ofSNAT)
        func anotherPort(build: Build) throws {
            for row in Self.endedInSNAT {
                let bed = try Testbed(build)
                try bed.serve("40.1.1.1:80", [1])
                var ports = [try Self.play(row, bed, .snat).ports.source]
                let request = Packet.request(.tcp, .syn)
                let new = try bed.forward(request, .snat)
                ports.append(new.ports.source)
                #expect(Set(ports).count == 2, "\(row.name)")
                try bed.answer(new, [.syn, .ack], to: request)
            }
        }

        @Test("a SYN that is sent again stays with its connection", arguments: Build.allCases)
        func again(build: Build) throws {
            for row in build.mode == .snat ? Self.livingInSNAT : Self.living {
                let bed = try Testbed(build)
                try bed.serve("40.1.1.1:80", [1])
                let old = try Self.play(row, bed, build.mode)
                try bed.serve("40.1.1.1:80", [2])
                let new = try bed.forward(.request(.tcp, .syn), build.mode, "\(row.name)")
                #expect((new.destination, new.ports) == (old.destination, old.ports), "\(row.name)")
            }
        }

        @Test(
            "a SYN after a connection's end gets the mode that was set meanwhile",
            arguments: [Build.bothInSNAT, .bothInDSR])
        func mode(build: Build) throws {
            for row in build.mode == .snat ? Self.endedInSNAT : Self.endedInDSR {
                let bed = try Testbed(build)
                let other: Mode = build.mode == .snat ? .dsr : .snat
                try bed.serve("40.1.1.1:80", [1])
                _ = try Self.play(row, bed, build.mode)
                try bed.updateMode(other)
                try bed.forward(.request(.tcp, .ack), build.mode, "\(row.name): the old connection's last packets")
                try bed.forward(.request(.tcp, .syn), other, "\(row.name)")
                try bed.forward(.request(.tcp, .ack), other, "\(row.name)")
                #expect(try bed.connections().map(\.mode) == [other], "\(row.name)")
            }
        }

        @Test("each later packet of a closing DSR connection keeps it alive", arguments: Build.ofDSR)
        func closingIsRefreshed(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", [1])
            _ = try Self.play(("", Self.handshake + [(.client, [.fin, .ack])]), bed, .dsr)
            try bed.serve("40.1.1.1:80", [2])
            for _ in 0..<5 {
                try bed.pass(Programs.Ticks.closing - 1)
                let out = try bed.forward(.request(.tcp, .ack), .dsr)
                #expect(out.destination == Place.backend(1).address)
            }
            #expect(try bed.connections().map(\.state) == [.closing])
        }

        @Test("a connection that was confirmed outlives the timeout of a SYN", arguments: Build.allCases)
        func established(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", [1])
            let old = try Self.play(("", Self.handshake), bed, build.mode)
            try bed.serve("40.1.1.1:80", [2])
            try bed.pass(Programs.Ticks.established)
            let new = try bed.forward(.request(.tcp, .ack), build.mode)
            #expect((new.destination, new.ports) == (old.destination, old.ports))
        }
    }
}
