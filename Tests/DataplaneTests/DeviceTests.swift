import Addresses
import Balancer
import CDataplane
import Testing

@testable import Agent

/// Clients on one device, backends on another.
extension PacketTests {
    @Suite struct DeviceTests {
        static let second = LinkAddress("02:00:00:00:00:22")!

        /// Backends are reached by the second device.
        static func bed(_ build: Build) throws -> Testbed {
            let bed = try Testbed(build)
            for (place, mac) in [Place.balancer.link, second].enumerated() {
                try bed.maps.devices.update(
                    UInt32(place), l4lb_device(ifindex: UInt32(place + 1), mac: mac.octetTuple, pad: 0))
            }
            for address in bed.nextHops.keys {
                bed.nextHops[address]?.interface = 2
                bed.nextHops[address]?.ourAddress = second
            }
            try bed.serveBoth()
            return bed
        }

        @Test(
            "a packet leaves by the device on which its backend is", arguments: Build.allCases,
            TransportProtocol.allCases)
        func redirected(build: Build, transport: TransportProtocol) throws {
            let bed = try Self.bed(build)
            let request = Packet.request(transport, payload: [1, 2, 3])
            let result = try bed.send(request)
            #expect(result.verdict == .redirect)
            let out = try #require(Packet(result.frame))
            let backend = try #require(Place.backend(at: out.destination))
            var expected = bed.forwarded(request, to: backend, build.mode, port: out.ports.source)
            expected.linkSource = Self.second
            #expect(out == expected)
            #expect(try bed.connections().map(\.packets) == [1])
        }

        @Test("a reply leaves by the device from which its client's packets come", arguments: Build.ofSNAT)
        func reply(build: Build) throws {
            let bed = try Self.bed(build)
            let request = Packet.request()
            let translated = try #require(Packet(try bed.send(request).frame))
            try bed.loadAnew(build.paths) {
                ($0.ifindex, $0.device, $0.mac) = (2, 1, Self.second.octetTuple)
            }
            let result = try bed.send(translated.reply([.syn, .ack]))
            #expect(result.verdict == .redirect)
            let back = try #require(Packet(result.frame))
            #expect((back.linkDestination, back.linkSource) == (Place.client.link, Place.balancer.link))
            #expect(back.sourceEndpoint == request.destinationEndpoint)
            #expect(back.destinationEndpoint == request.sourceEndpoint)
        }

        @Test("replies follow a client whose packets come by another device", arguments: Build.ofSNAT)
        func clientMoves(build: Build) throws {
            let bed = try Self.bed(build)
            let request = Packet.request()
            let translated = try #require(Packet(try bed.send(request).frame))
            try bed.loadAnew(build.paths) {
                ($0.ifindex, $0.device, $0.mac) = (2, 1, Self.second.octetTuple)
            }
            var again = Packet.request(.tcp, .ack)
            again.linkDestination = Self.second
            #expect(try bed.send(again).sent().ports == translated.ports)
            let back = try bed.send(translated.reply([.syn, .ack])).sent()
            #expect((back.linkDestination, back.linkSource) == (Place.client.link, Self.second))
        }
    }
}
