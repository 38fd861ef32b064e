import Addresses
import Balancer
import CDataplane
import Testing

@testable import Agent

/// Packets that come in pieces, of both families.
extension PacketTests {
    @Suite struct FragmentTests {
        static let clients = [Place.client, .client6]

        static func bed(_ build: Build) throws -> Testbed {
            let bed = try Testbed(build, ipv6: true)
            for transport in TransportProtocol.allCases {
                try bed.serve("40.1.1.1:80/\(transport)", [1, 2])
                try bed.serve("[2001:db8:40::1]:80/\(transport)", [1, 2])
            }
            return bed
        }

        static func large(_ transport: TransportProtocol, of client: Place, identification: UInt32) -> (
            whole: Packet, pieces: [Packet]
        ) {
            let payload = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            var whole = Packet.request(transport, of: client, .ack, payload: payload)
            whole.fragment = 0
            return (whole, whole.fragments(of: 400, identification: identification))
        }

        /// What the receiver of pieces puts together again, and their identification.
        static func reassembled(_ pieces: [Packet]) throws -> (packet: Packet, identification: UInt32) {
            let ids = Set(
                pieces.map { piece in
                    if case .fragment(_, _, let id) = piece.extensions.first { return id }
                    return UInt32(piece.identification)
                })
            var whole = pieces[0]
            whole.extensions = []
            whole.fragment = 0
            whole.content = .other(whole.protocolNumber, pieces.flatMap(\.contentBytes))
            return (try #require(Packet(whole.bytes), "checksum"), try #require(ids.count == 1 ? ids.first : nil))
        }

        @Test(
            "in SNAT the backend puts together what the client sent, and the client what the backend answered",
            arguments: Build.ofSNAT, TransportProtocol.allCases)
        func translated(build: Build, transport: TransportProtocol) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                var seen: [UInt32] = []
                for round in UInt32(0)..<3 {
                    let request = Self.large(transport, of: client, identification: 77 + round)
                    let sent = try request.pieces.map { try bed.send($0).sent() }
                    let (arrived, id) = try Self.reassembled(sent)
                    seen.append(id)
                    let backend = try #require(Place.backend(at: arrived.destination))
                    var expected = bed.forwarded(request.whole, to: backend, .snat, port: arrived.ports.source)
                    (expected.identification, expected.flowLabel) = (arrived.identification, arrived.flowLabel)
                    #expect(arrived == expected)

                    var answer = arrived.reply(.ack, payload: request.whole.payload.reversed())
                    answer.fragment = 0
                    let back = try answer.fragments(of: 512, identification: 5).map { try bed.send($0).sent() }
                    let got = try Self.reassembled(back).packet
                    #expect((got.source, got.destination) == (request.whole.destination, client.address))
                    #expect(got.payload == answer.payload)
                    #expect(got.ports == Ports(source: 80, destination: 40000))
                }
                #expect(Set(seen).count == 3, "identifications")
                #expect(try bed.counters() == [:])
                #expect(try bed.connections().map(\.packets) == [9])
                #expect(try bed.connections().map(\.replyPackets) == [6])
            }
        }

        @Test("in DSR each fragment goes to the first one's backend as it is", arguments: Build.ofDSR)
        func encapsulated(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                for piece in Self.large(.udp, of: client, identification: 9).pieces { try bed.forward(piece, .dsr) }
                #expect(try bed.connections().map(\.packets) == [3])
            }
        }

        @Test(
            "a fragment whose first one has not been seen is dropped at a frontend, and the host's elsewhere",
            arguments: Build.allCases)
        func withoutFirst(build: Build) throws {
            for (client, own) in [(Place.client, Place.balancer), (.client6, .balancer6)] {
                let bed = try Self.bed(build)
                let pieces = Self.large(.tcp, of: client, identification: 3).pieces
                for piece in pieces.dropFirst() { #expect(try bed.send(piece).verdict == .drop) }
                #expect(try bed.counters() == ["fragment": 2])
                var other = pieces[1]
                other.destination = own.address
                #expect(try bed.send(other) == Outcome(verdict: .pass, frame: other.bytes))
                // Once the first is there the others follow it, in whatever order they come.
                for piece in pieces.reversed() { _ = try bed.send(piece) }
                for piece in pieces.reversed() { #expect(try bed.send(piece).verdict == .transmit) }
            }
        }

        @Test("a first fragment is remembered for thirty seconds", arguments: [Build.snat, .dsr])
        func forgotten(build: Build) throws {
            let bed = try Self.bed(build)
            let pieces = Self.large(.udp, of: .client, identification: 3).pieces
            _ = try bed.send(pieces[0])
            let map = try #require(bed.maps.all.first { $0.name == "fragments" })
            let key = l4lb_fragment_key(
                source: l4lb_address(Place.client.address), destination: l4lb_address(Place.frontend),
                id: UInt32(UInt16(3).bigEndian), protocol: 17)
            for (ticks, verdict) in [(Programs.Ticks.fragment, Verdict.transmit), (1, .drop)] {
                var known = try #require(try map.lookup(key, initial: l4lb_fragment()))
                known.stamp &-= ticks
                try map.update(key, known)
                #expect(try bed.send(pieces[1]).verdict == verdict)
            }
            #expect(try bed.counters() == ["fragment": 1])
        }

        @Test("a first fragment that does not hold the whole TCP or UDP header is dropped", arguments: Build.allCases)
        func tiny(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                for transport in TransportProtocol.allCases {
                    var request = Packet.request(transport, of: client, payload: [UInt8](repeating: 1, count: 64))
                    if case .tcp(var tcp) = request.content {
                        tcp.options = [UInt8](repeating: 1, count: 8)
                        request.content = .tcp(tcp)
                    }
                    let piece = request.fragments(of: transport == .tcp ? 24 : 8)[0]
                    #expect(try bed.send(piece).verdict == (transport == .tcp ? .drop : .transmit))
                }
                #expect(try bed.counters() == ["malformed": 1])
            }
        }
    }
}
