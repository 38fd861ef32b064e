import Addresses
import Balancer
import Testing

/// What happens to connections when the way to their backend changes.
extension PacketTests {
    @Suite struct NextHopTests {
        static let protocols = TransportProtocol.allCases
        static let backend = Place.backend(1)

        @Test(
            "packets go to a backend's new link address as soon as it is known", arguments: Build.allCases, protocols)
        func replaced(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            let old = try bed.forward(.request(transport), build.mode)
            let link = LinkAddress("02:00:00:00:99:99")!
            bed.nextHops[Self.backend.address]?.linkAddress = link
            try bed.apply()
            var expected = try #require(Packet(try bed.send(.request(transport)).frame))
            #expect(expected.linkDestination == link)
            expected.linkDestination = old.linkDestination
            #expect(expected == old)
        }

        @Test("a connection keeps the balancer's address that it began with", arguments: Build.ofSNAT, protocols)
        func otherSource(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            let request = Packet.request(transport)
            let old = try bed.forward(request, .snat)
            let source: IPAddress = "20.1.1.2"
            bed.nextHops[Self.backend.address]?.source = source
            try bed.apply()
            #expect(try bed.forward(request, .snat) == old)
            try bed.answer(old, [.syn, .ack], to: request)
            let other = Packet.request(transport, from: 40001)
            let new = try bed.send(other).sent()
            #expect(new.source == source)
            try bed.answer(new, [.syn, .ack], to: other)
        }

        @Test(
            "where the route is gone, connections go on and new ones are dropped and counted",
            arguments: Build.allCases,
            protocols)
        func routeGone(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            try bed.forward(.request(transport), build.mode)
            bed.nextHops[Self.backend.address]?.isCurrent = false
            try bed.apply()
            try bed.forward(.request(transport, .ack), build.mode)
            #expect(try bed.send(.request(transport, from: 40001)).verdict == .drop)
            #expect(try bed.counters() == ["no_neighbour": 1])
        }

        @Test(
            "a connection whose new next hop has no link address yet is dropped and counted, and then goes on",
            arguments: Build.allCases, protocols)
        func unknown(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            let old = try bed.forward(.request(transport), build.mode)
            bed.nextHops[Self.backend.address]?.linkAddress = nil
            try bed.apply()
            #expect(try bed.send(.request(transport, .ack)).verdict == .drop)
            #expect(try bed.counters() == ["no_neighbour": 1])
            bed.nextHops[Self.backend.address]?.linkAddress = Self.backend.link
            try bed.apply()
            #expect(try bed.forward(.request(transport, .ack), build.mode).ports == old.ports)
        }
    }
}
