import Addresses
import Balancer
import Testing

extension PacketTests {
    @Suite struct TimeToLiveTests {
        static let protocols = TransportProtocol.allCases

        /// What the client of a packet whose TTL ends here has to get (RFC 792, RFC 1812 4.3.2.3).
        static func timeExceeded(_ request: Packet) -> Packet {
            Packet(
                linkDestination: request.linkSource, linkSource: Place.balancer.link, identification: 0,
                fragment: 0x4000,
                ttl: 64, source: Place.balancer.address, destination: request.source,
                content: .icmp(ICMP(type: 11, data: Array(request.datagram.prefix(576 - 28)))))
        }

        @Test(
            "a request whose TTL ends here is answered with ICMP time exceeded that quotes it",
            arguments: Build.allCases,
            protocols)
        func request(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            var sent: UInt64 = 0
            for ttl in [UInt8(0), 1] {
                for length in [0, 1, 2, 17, 18, 507, 508, 509, 519, 520, 521, 522, 1000, 1459, 1460] {
                    let request = Packet.request(
                        transport, from: 40000 + UInt16(length), payload: (0..<length).map { UInt8($0 & 255) }, ttl: ttl
                    )
                    let out = try bed.send(request).sent("TTL \(ttl), \(length) bytes")
                    #expect(out == Self.timeExceeded(request), "TTL \(ttl), \(length) bytes")
                    #expect(out.length <= 576)
                    sent += 1
                }
            }
            #expect(try bed.counters() == ["icmp_time_exceeded_sent": sent])
            #expect(try bed.connections().isEmpty)
        }

        @Test("the padding of a frame is not quoted", arguments: Build.allCases, protocols)
        func padding(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            for length in 0..<3 {
                var request = Packet.request(transport, payload: [UInt8](repeating: 5, count: length), ttl: 1)
                request.padding = [UInt8](repeating: 0xcc, count: 60 - request.bytes.count)
                #expect(try bed.send(request).sent() == Self.timeExceeded(request))
            }
        }

        @Test(
            "a packet of an existing connection whose TTL ends here is answered too", arguments: Build.allCases,
            protocols)
        func existing(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            try bed.forward(.request(transport), build.mode)
            let request = Packet.request(transport, .ack, payload: [1, 2, 3], ttl: 1)
            #expect(try bed.send(request).sent() == Self.timeExceeded(request))
            #expect(try bed.connections().map(\.packets) == [1])
        }

        @Test("a request with TTL 2 reaches the backend with TTL 1", arguments: Build.allCases, protocols)
        func two(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            try bed.forward(.request(transport, ttl: 2), build.mode)
            #expect(try bed.counters() == [:])
        }

        @Test("a reply whose TTL ends here is dropped and counted", arguments: Build.ofSNAT, protocols)
        func reply(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            let request = Packet.request(transport)
            let translated = try bed.forward(request, .snat)
            for ttl in [UInt8(0), 1] { #expect(try bed.send(translated.reply(ttl: ttl)).verdict == .drop) }
            #expect(try bed.counters() == ["ttl_expired_reply": 2])
            let back = try bed.send(translated.reply(ttl: 2)).sent()
            #expect(back.ttl == 1)
            #expect(try bed.connections().map(\.replyPackets) == [1])
        }

        @Test("a packet to no service keeps its TTL for the host to judge", arguments: Build.allCases)
        func notOurs(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            let request = Packet.request(to: 81, ttl: 1)
            #expect(try bed.send(request) == Outcome(verdict: .pass, frame: request.bytes))
        }
    }
}
