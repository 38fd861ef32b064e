import Addresses
import Balancer

/// ICMP errors and damaged frames.
extension TrafficGenerator {
    /// An ICMP error about something that was sent of late, or about nothing that is known.
    mutating func error() -> Packet {
        let quoted = quotedPacket()
        let isIPv6 = quoted.isIPv6
        let (type, code): (UInt8, UInt8) = one(
            isIPv6
                ? [(1, 0), (1, 3), (1, 4), (2, 0), (3, 0), (3, 1), (4, 0), (4, 1), (100, 0), (129, 0)]
                : [(3, 0), (3, 1), (3, 3), (3, 4), (11, 0), (11, 1), (12, 0), (4, 0), (5, 1), (0, 0)])
        let whole = quoted.datagram
        let header = quoted.length - quoted.contentBytes.count
        let length = one([
            header + 8, header + 8, header + 28, header + 36, header + 48, header + 64, whole.count, number(0..<200),
        ])
        var quote = Array(whole.prefix(min(length, isIPv6 ? 1232 : 548)))
        // Routers of the way may have changed the quoted hop limit.
        if chance(3), quote.count > 8 { quote[isIPv6 ? 7 : 8] = byte() }
        if chance(20), !quote.isEmpty { quote[number(0..<quote.count)] = byte() }
        let mtu = UInt32(one([0, 19, 20, 39, 40, 68, 576, 1280, 1400, 1500, 65535]))
        var packet = Packet(
            linkSource: Place.clientLinks[number(0..<3)],
            source: isIPv6 ? "2001:db8:ffff::1" : "198.51.100.1",
            destination: chance(25) ? one(targets.filter { $0.address.isIPv6 == isIPv6 }).address : quoted.source,
            content: .icmp(
                ICMP(type: type, code: code, rest: chance(5) ? UInt32(random.next() >> 32) : mtu, data: quote)))
        dress(&packet)
        return packet
    }

    private mutating func quotedPacket() -> Packet {
        switch number(0..<8) {
        case 0..<3 where !toBackends.isEmpty:
            // On its way to a backend: what SNAT translated, what DSR put into another.
            if let packet = Packet(one(toBackends)) { return packet }
        case 3..<5 where !toClients.isEmpty:
            if let packet = Packet(one(toClients)) { return packet }
        case 5..<7 where !forwarded.isEmpty:
            // A backend's direct reply.
            var packet = one(forwarded)
            packet = packet.reply(flags(), payload: bytes(number(0..<300)))
            return packet
        default: break
        }
        var packet = client()
        (packet.source, packet.destination) = (packet.destination, packet.source)
        packet.ports = Ports(source: packet.ports.destination, destination: packet.ports.source)
        return packet
    }

    /// A frame with something wrong.
    mutating func mutated(_ honest: [UInt8]) -> [UInt8] {
        var frame = honest
        switch number(0..<12) {
        case 0: return Array(frame.prefix(max(14, number(0..<frame.count + 1))))
        case 1: return Array(frame.prefix(max(14, number(0..<min(frame.count, 100) + 1))))
        case 2: return frame + bytes(number(1..<100))
        case 3, 4:
            // Lengths that lie: IPv4's total length, IPv6's payload length.
            let place = frame[12] == 0x08 ? 16 : 18
            guard frame.count > 20 else { return frame }
            let length = frame.number(at: place, UInt16.self)
            let other = chance(3) ? UInt16(number(0..<65536)) : length &+ UInt16(truncatingIfNeeded: number(-50..<51))
            return frame.replacing(at: place, with: other.octets)
        case 5:
            guard frame.count > 14 else { return frame }
            // The first bytes of the IP header.
            frame[14] = chance(2) ? frame[14] & 0xf0 | byte() & 0x0f : byte()
        case 6:
            // The transport header's offset and lengths, where there are neither options nor extension headers.
            let place = (frame[12] == 0x08 ? 34 : 54) + one([4, 5, 6, 7, 12, 13])
            if place < frame.count { frame[place] = one([0, 7, 8, 9, 0x40, 0x50, 0x60, 0xf0, byte()]) }
        case 7:
            // Flags, offset, the next header.
            let place = frame[12] == 0x08 ? one([20, 21, 23]) : 20
            if place < frame.count {
                frame[place] = chance(2) ? one([0, 1, 6, 17, 43, 44, 50, 51, 58, 59, 60]) : byte()
            }
        default:
            for _ in 0..<number(1..<5) {
                // Headers are hurt more often than payloads.
                let place = number(0..<(chance(4) ? frame.count : min(frame.count, 94)))
                frame[place] = byte()
            }
        }
        return frame
    }
}
