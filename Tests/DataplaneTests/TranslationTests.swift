import Addresses
import Balancer
import Testing

/// SNAT: what leaves is compared byte by byte with a packet whose checksums are worked out from scratch.
extension PacketTests {
    @Suite struct TranslationTests {
        static let protocols = TransportProtocol.allCases

        @Test(
            "a client's packet reaches a backend, and the backend's reply reaches the client",
            arguments: Build.ofSNAT, protocols)
        func thereAndBack(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            for port in UInt16(40000)..<40050 {
                let request = Packet.request(transport, from: port, payload: [1, 2, 3, 4])
                let translated = try bed.forward(request, .snat)
                try bed.answer(translated, payload: [9, 8, 7, 6, 5], to: request)
            }
            #expect(try bed.counters() == [:])
        }

        @Test(
            "payloads of odd and even lengths, from none to a full frame, arrive with valid checksums",
            arguments: Build.ofSNAT, protocols)
        func lengths(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            var random = SplitMix64(seed: 1)
            for length in [0, 1, 2, 3, 5, 17, 18, 255, 535, 536, 1399, 1459, 1460] {
                let payload = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
                let request = Packet.request(transport, .ack, payload: payload)
                let translated = try bed.forward(request, .snat, "\(length) bytes")
                try bed.answer(translated, payload: payload.reversed(), to: request)
            }
        }

        @Test("a frame that Ethernet padded to 60 bytes keeps its padding", arguments: Build.allCases, protocols)
        func padding(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            for payload in 0..<3 {
                var request = Packet.request(
                    transport, from: 40000 + UInt16(payload), payload: [UInt8](repeating: 7, count: payload))
                request.padding = [UInt8](repeating: 0xee, count: 60 - request.bytes.count)
                let out = try bed.forward(request, build.mode)
                guard build.mode == .snat else { continue }
                // The reply is padded as well.
                var reply = out.reply()
                reply.padding = [1, 2, 3, 4, 5, 6]
                let back = try bed.send(reply).sent()
                #expect(back.padding == reply.padding)
                #expect(back.sourceEndpoint == request.destinationEndpoint)
            }
            #expect(try bed.counters() == [:])
        }

        @Test("TCP options, urgent data and every flag stay as they were", arguments: Build.allCases)
        func tcpFields(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            for raw in UInt8.min...UInt8.max {
                var request = Packet.request(from: 1024 + UInt16(raw), payload: [1])
                guard case .tcp(var tcp) = request.content else { continue }
                tcp.flags = TCP.Flags(rawValue: raw)
                tcp.options = [2, 4, 5, 0xb4, 1, 3, 3, 7] + [UInt8](repeating: 1, count: Int(raw % 9) * 4)
                (tcp.urgent, tcp.reserved) = (raw % 3 == 0 ? 1 : 0, raw % 16)
                request.content = .tcp(tcp)
                try bed.forward(request, build.mode, "flags \(raw)")
            }
        }

        @Test("DSCP, ECN, identification and flags of the IP header stay as they were", arguments: Build.ofSNAT)
        func ipFields(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            for tos in UInt8.min...UInt8.max {
                var request = Packet.request(ttl: max(tos, 2))
                (request.tos, request.identification) = (tos, UInt16(tos) &* 257)
                request.fragment = tos % 2 == 0 ? 0 : 0x4000
                try bed.forward(request, .snat, "TOS \(tos)")
            }
        }

        @Test("a UDP packet without a checksum stays without one", arguments: Build.ofSNAT)
        func noChecksum(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            var request = Packet.request(.udp, payload: [1, 2, 3])
            request.content = .udp(UDP(ports: request.ports, hasChecksum: false, payload: [1, 2, 3]))
            let translated = try bed.forward(request, .snat)
            #expect(translated.content == .udp(UDP(ports: translated.ports, hasChecksum: false, payload: [1, 2, 3])))
            let back = try bed.answer(translated, payload: [4], to: request)
            #expect(back.content == .udp(UDP(ports: back.ports, hasChecksum: false, payload: [4])))
        }

        @Test("a UDP checksum that comes out as zero is sent as all ones", arguments: Build.ofSNAT)
        func zeroChecksum(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            // A connection keeps its port, so that the sum of its packets can be foreseen.
            let translated = try bed.forward(.request(.udp, payload: [0, 0]), .snat)
            let sum = translated.bytes.number(at: 40, UInt16.self)
            let request = Packet.request(.udp, payload: sum.octets)
            let out = try bed.forward(request, .snat)
            #expect(out.bytes[40...41] == [0xff, 0xff])
            // And on the way back.
            let client = try bed.answer(translated, payload: [0, 0], to: request)
            let back = try bed.answer(translated, payload: client.bytes[40..<42] + [], to: request)
            #expect(back.bytes[40...41] == [0xff, 0xff])
        }

        @Test(
            "packets with checksums from the whole range of 16 bits arrive with valid ones",
            arguments: TransportProtocol.allCases)
        func manyChecksums(transport: TransportProtocol) throws {
            let bed = try Testbed(.snat)
            try bed.serveBoth()
            let first = try bed.forward(.request(transport, .ack, payload: [0, 0]), .snat)
            let backend = try #require(Place.backend(at: first.destination))
            var wrong: [Int] = []
            for word in stride(from: 0, to: 65536, by: 37) {
                let request = Packet.request(transport, .ack, payload: UInt16(word).octets)
                let expected = bed.forwarded(request, to: backend, .snat, port: first.ports.source)
                if try bed.send(request) != Outcome(verdict: .transmit, frame: expected.bytes) { wrong.append(word) }
            }
            #expect(wrong.isEmpty)
        }

        @Test(
            "a backend whose port differs gets the packet at its own port in SNAT", arguments: Build.ofSNAT, protocols)
        func backendPort(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            #expect(try bed.forward(.request(transport), .snat).ports.destination == Place.backendPort)
        }

        @Test(
            "replies follow a client whose packets come from another link address", arguments: Build.ofSNAT, protocols)
        func clientMoves(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            var request = Packet.request(transport)
            let translated = try bed.forward(request, .snat)
            try bed.answer(translated, [.syn, .ack], to: request)
            request.linkSource = LinkAddress("02:00:00:00:77:77")!
            if case .tcp(var tcp) = request.content {
                tcp.flags = .ack
                request.content = .tcp(tcp)
            }
            #expect(try bed.forward(request, .snat).ports == translated.ports)
            try bed.answer(translated, to: request)
        }

        @Test("IP options are carried along, there and back", arguments: Build.ofSNAT)
        func ipOptions(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            for options in [[1, 1, 1, 0], [148, 4, 0, 0], [7, 7, 4, 0, 0, 0, 0, 0] as [UInt8]] {
                var request = Packet.request(payload: [1, 2, 3])
                request.options = options
                let translated = try bed.forward(request, .snat)
                #expect(translated.options == options)
                var reply = translated.reply(payload: [4, 5])
                reply.options = options
                let back = try bed.send(reply).sent()
                #expect(back.options == options)
                #expect(back.sourceEndpoint == request.destinationEndpoint)
                #expect(back.destinationEndpoint == request.sourceEndpoint)
            }
            #expect(try bed.counters() == [:])
        }
    }
}
