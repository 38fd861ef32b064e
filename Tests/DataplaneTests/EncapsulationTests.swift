import Addresses
import Balancer
import Testing

/// DSR: the outer header byte by byte, the inner packet as the client sent it.
extension PacketTests {
    @Suite struct EncapsulationTests {
        static let protocols = TransportProtocol.allCases

        @Test(
            "the backend gets the client's packet in IPIP, unchanged but for its TTL", arguments: Build.ofDSR, protocols
        )
        func encapsulated(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            var random = SplitMix64(seed: 2)
            for length in [0, 1, 2, 3, 17, 536, 1399, 1440] {
                let payload = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
                let request = Packet.request(transport, from: 40000 + UInt16(length), payload: payload)
                let out = try bed.forward(request, .dsr, "\(length) bytes")
                #expect((out.ttl, out.protocolNumber, out.fragment, out.options) == (64, 4, 0x4000, []))
                #expect((out.source, out.length) == (Place.balancer.address, request.length + 20))
                let inner = try #require(out.inner)
                #expect((inner.source, inner.destination) == (request.source, request.destination))
                #expect((inner.ttl, inner.content) == (63, request.content))
            }
            #expect(try bed.counters() == [:])
        }

        @Test(
            "the inner packet's port is the frontend's, even where the backend's differs", arguments: Build.ofDSR,
            protocols)
        func portNotTranslated(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            let inner = try #require(try bed.forward(.request(transport), .dsr).inner)
            #expect(inner.ports == Ports(source: 40000, destination: 80))
        }

        @Test(
            "the outer header carries the inner one's DSCP and ECN, and its checksum is valid", arguments: Build.ofDSR)
        func typeOfService(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            for tos in UInt8.min...UInt8.max {
                var request = Packet.request(
                    from: 1024 + UInt16(tos), payload: [UInt8](repeating: tos, count: Int(tos)))
                request.tos = tos
                #expect(try bed.forward(request, .dsr).tos == tos)
            }
        }

        @Test("the outer packet may not be fragmented, even where the inner one may", arguments: Build.ofDSR)
        func dontFragment(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            var request = Packet.request()
            request.fragment = 0
            let out = try bed.forward(request, .dsr)
            #expect((out.fragment, out.inner?.fragment) == (0x4000, 0))
        }

        @Test(
            "a wrong checksum of the client is the backend's to find: it is not mended", arguments: Build.ofDSR,
            protocols)
        func wrongChecksum(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            let request = Packet.request(transport, payload: [1, 2])
            let wrong = request.bytes.replacing(at: request.bytes.count - 1, with: 3)
            let expected = try bed.forward(request, .dsr).bytes
            let out = try bed.send(wrong)
            #expect(out == Outcome(verdict: .transmit, frame: expected.replacing(at: expected.count - 1, with: 3)))
        }

        @Test("a backend's direct answer does not pass here: such a packet goes on to the host", arguments: Build.ofDSR)
        func replies(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            let out = try bed.forward(.request(), .dsr)
            var stray = try #require(out.inner).reply([.syn, .ack])
            stray.linkDestination = Place.balancer.link
            #expect(try bed.send(stray) == Outcome(verdict: .pass, frame: stray.bytes))
        }
    }
}
