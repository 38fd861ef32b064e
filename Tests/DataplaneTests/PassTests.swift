import Addresses
import Balancer
import Testing

extension PacketTests {
    @Suite struct PassTests {
        struct Row: CustomTestStringConvertible {
            var testDescription: String
            var frame: [UInt8]
            init(_ name: String, _ frame: [UInt8]) { (testDescription, self.frame) = (name, frame) }
            init(_ name: String, _ packet: Packet) { self.init(name, packet.bytes) }
        }

        static let request = Packet.request(payload: Array("hello".utf8))

        static func changed(_ change: (inout Packet) -> Void) -> Packet {
            var packet = request
            change(&packet)
            return packet
        }

        static let rows: [Row] = [
            Row("ARP", request.bytes.replacing(at: 12, with: [0x08, 0x06])),
            Row(
                "VLAN-tagged",
                Array(request.bytes[..<12]) + [0x81, 0x00, 0x00, 0x07] + Array(request.bytes[12...])),
            Row(
                "VLAN-tagged twice",
                Array(request.bytes[..<12]) + [0x88, 0xa8, 0, 7, 0x81, 0, 0, 8] + Array(request.bytes[12...])),
            Row("IPv6", Array(request.bytes[..<12]) + [0x86, 0xdd, 0x60] + [UInt8](repeating: 1, count: 60)),
            Row("an 802.3 length instead of a type", request.bytes.replacing(at: 12, with: [0x00, 0x2e])),
            Row("to another host's link address", changed { $0.linkDestination = LinkAddress("02:00:00:00:00:02")! }),
            Row(
                "to our link address but for its first byte",
                changed { $0.linkDestination = LinkAddress("06:00:00:00:00:01")! }),
            Row("broadcast", changed { $0.linkDestination = LinkAddress("ff:ff:ff:ff:ff:ff")! }),
            Row("link multicast", changed { $0.linkDestination = LinkAddress("01:00:5e:28:01:01")! }),
            Row("to an address without a service", changed { $0.destination = "40.1.1.2" }),
            Row("to another port of the frontend", changed { $0.ports.destination = 81 }),
            Row("to port 0 of the frontend", changed { $0.ports.destination = 0 }),
            Row("UDP to a TCP service", .request(.udp, payload: [1])),
            Row("GRE to the frontend", changed { $0.content = .other(47, [UInt8](repeating: 0, count: 40)) }),
            Row("IPIP to the frontend", changed { $0.content = .other(4, request.datagram) }),
            Row("an unknown protocol without a byte", changed { $0.content = .other(253, []) }),
            Row(
                "TCP to the balancer's own port 22",
                changed { ($0.destination, $0.ports.destination) = (Place.balancer.address, 22) }),
            Row(
                "a reply to a SNAT port without a connection",
                changed {
                    ($0.source, $0.destination) = (Place.backend(1).address, Place.balancer.address)
                    $0.ports = Ports(source: Place.backendPort, destination: 20000)
                }),
            Row(
                "a UDP reply to a SNAT port without a connection",
                changed {
                    ($0.source, $0.destination) = (Place.backend(1).address, Place.balancer.address)
                    $0.content = .udp(
                        UDP(ports: Ports(source: Place.backendPort, destination: 20000), payload: [1, 2]))
                }),
            Row("from the frontend, as another balancer's reply", changed { swap(&$0.source, &$0.destination) }),
            Row("an Ethernet header and nothing behind it", Array(request.bytes[..<14])),
            Row("an Ethernet header and half an IP header", Array(request.bytes[..<24])),
        ]

        @Test("what is not for a frontend goes on to the host untouched", arguments: Build.allCases)
        func notOurs(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            for row in Self.rows {
                #expect(try bed.send(row.frame) == Outcome(verdict: .pass, frame: row.frame), "\(row.testDescription)")
            }
            #expect(try bed.counters() == [:])
            #expect(try bed.connections().isEmpty)
        }

        @Test("a deleted service's packets go on to the host", arguments: Build.allCases)
        func deleted(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80")
            try bed.serve("40.1.1.1:81")
            _ = try bed.state.delete(id: 1, origin: .command)
            try bed.apply()
            #expect(try bed.send(Self.request) == Outcome(verdict: .pass, frame: Self.request.bytes))
            try bed.forward(.request(to: 81), build.mode)
        }

        @Test("the same address and port for TCP and UDP are two services", arguments: Build.allCases)
        func twoServices(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80/tcp", [1])
            try bed.serve("40.1.1.1:80/udp", [2])
            #expect(try bed.forward(.request(.tcp), build.mode).destination == Place.backend(1).address)
            #expect(try bed.forward(.request(.udp), build.mode).destination == Place.backend(2).address)
        }
    }
}
