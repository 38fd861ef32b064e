import Addresses
import Balancer
import Testing

@testable import Agent

/// What `service dumpstate` is made from: states and counters.
extension PacketTests {
    @Suite struct StateTests {
        struct Step {
            enum Side { case client, backend }
            var side: Side
            var flags: TCP.Flags
            /// After this packet: in SNAT and in DSR, where the backend's packets are not seen.
            var snat, dsr: ConnectionState

            init(_ side: Side, _ flags: TCP.Flags, _ snat: ConnectionState, _ dsr: ConnectionState) {
                (self.side, self.flags, self.snat, self.dsr) = (side, flags, snat, dsr)
            }
        }

        static let lives: [(String, [Step])] = [
            (
                "the client closes first",
                [
                    Step(.client, .syn, .syn, .syn), Step(.client, .syn, .syn, .syn),
                    Step(.backend, [.syn, .ack], .syn, .syn), Step(.client, .ack, .established, .established),
                    Step(.client, [.psh, .ack], .established, .established),
                    Step(.backend, .ack, .established, .established),
                    Step(.client, [.fin, .ack], .established, .closing),
                    Step(.backend, .ack, .established, .closing), Step(.backend, [.fin, .ack], .closing, .closing),
                    Step(.client, .ack, .closing, .closing),
                ]
            ),
            (
                "the backend closes first",
                [
                    Step(.client, .syn, .syn, .syn), Step(.backend, [.syn, .ack], .syn, .syn),
                    Step(.client, .ack, .established, .established),
                    Step(.backend, [.fin, .ack], .established, .established),
                    Step(.client, .ack, .established, .established),
                    Step(.client, [.fin, .ack], .closing, .closing), Step(.backend, .ack, .closing, .closing),
                ]
            ),
            (
                "the client resets",
                [
                    Step(.client, .syn, .syn, .syn), Step(.backend, [.syn, .ack], .syn, .syn),
                    Step(.client, .ack, .established, .established), Step(.client, .rst, .closing, .closing),
                    Step(.client, .ack, .closing, .closing),
                ]
            ),
            (
                "the backend resets",
                [
                    Step(.client, .syn, .syn, .syn), Step(.backend, [.syn, .ack], .syn, .syn),
                    Step(.client, .ack, .established, .established),
                    Step(.backend, [.rst, .ack], .closing, .established),
                ]
            ),
            (
                "the backend refuses the connection",
                [Step(.client, .syn, .syn, .syn), Step(.backend, [.rst, .ack], .closing, .syn)]
            ),
            (
                "both open it, then a lone FIN of the client is sent again",
                [
                    Step(.client, .syn, .syn, .syn), Step(.backend, [.syn, .ack], .syn, .syn),
                    Step(.client, [.fin, .ack], .established, .closing),
                    Step(.client, [.fin, .ack], .established, .closing),
                ]
            ),
        ]

        @Test("a TCP connection's state follows its packets", arguments: Build.allCases)
        func tcp(build: Build) throws {
            for (name, steps) in Self.lives {
                let bed = try Testbed(build)
                try bed.serve()
                var translated: Packet?
                for (number, step) in steps.enumerated() {
                    let request = Packet.request(.tcp, step.flags)
                    if step.side == .client {
                        translated = try bed.forward(request, build.mode)
                    } else if build.mode == .snat {
                        try bed.answer(try #require(translated), step.flags, to: request)
                    }
                    let expected = build.mode == .snat ? step.snat : step.dsr
                    #expect(try bed.connections().map(\.state) == [expected], "\(name), packet \(number + 1)")
                }
            }
        }

        @Test("a UDP connection is active", arguments: Build.allCases)
        func udp(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            let request = Packet.request(.udp)
            let out = try bed.forward(request, build.mode)
            if build.mode == .snat { try bed.answer(out, to: request) }
            #expect(try bed.connections().map(\.state) == [.active])
        }

        @Test(
            "packets and bytes are counted for each direction, as IP total lengths", arguments: Build.allCases,
            TransportProtocol.allCases)
        func counted(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            var bytes: UInt64 = 0
            var replyBytes: UInt64 = 0
            for length in [0, 1, 700, 1400] {
                var request = Packet.request(transport, .ack, payload: [UInt8](repeating: 1, count: length))
                request.padding = [0, 0]
                bytes += UInt64(request.length)
                let out = try bed.forward(request, build.mode)
                for length in [5, 900] where build.mode == .snat {
                    let reply = try bed.answer(out, payload: [UInt8](repeating: 2, count: length), to: request)
                    replyBytes += UInt64(reply.length)
                }
            }
            // Not of this connection, and not forwarded.
            _ = try bed.send(.request(transport, .ack, ttl: 1))
            let connection = try #require(try bed.connections().first)
            #expect(try bed.connections().count == 1)
            #expect((connection.packets, connection.bytes) == (4, bytes))
            #expect(connection.replyPackets == (build.mode == .snat ? 8 : nil))
            #expect(connection.replyBytes == (build.mode == .snat ? replyBytes : nil))
        }

        @Test(
            "a connection is shown with its client, frontend, backend and mode", arguments: Build.allCases,
            TransportProtocol.allCases)
        func shown(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([3])
            try bed.forward(.request(transport), build.mode)
            let connection = try #require(try bed.connections().first)
            #expect("\(connection.client) \(connection.frontend)" == "192.0.2.10:40000 40.1.1.1:80/\(transport)")
            #expect("\(connection.backend) \(connection.mode)" == "20.1.1.30:8080 \(build.mode)")
        }

        @Test("a connection that ends leaves its counters with its backend", arguments: Build.allCases)
        func totals(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", [1])
            let request = Packet.request()
            let out = try bed.forward(request, build.mode)
            if build.mode == .snat { try bed.answer(out, [.rst, .ack], to: request) }
            try bed.forward(.request(.tcp, .rst), build.mode)
            try bed.forward(.request(.tcp, .syn, payload: [1]), build.mode)
            let totals = bed.maps.totals[0]
            #expect((totals.connections, totals.packets, totals.bytes) == (1, 2, 80))
            // A closed SNAT connection's reply slot keeps its counters while its port rests.
            let census = FlowCensus(try bed.snapshot())
            let report = BackendTotals(gone: [0: totals], flows: try bed.snapshot().flows.values)
                .report(try #require(bed.state.services[1]?.backends.first), at: 0, census: census)
            #expect((report.packets, report.bytes, report.totalConnections) == (3, 121, 2))
            #expect((report.replyPackets, report.replyBytes) == (build.mode == .snat ? (1, 40) : (0, 0)))
            #expect(report.connections == 1)
        }
    }
}
