import Addresses

extension Packet {
    /// Nil where the frame is no IP packet whose lengths are true and whose IP, TCP, UDP or ICMP checksums are valid:
    /// built again from its fields it would not be the same.
    init?(_ frame: [UInt8]) {
        guard frame.count >= 34 else { return nil }
        let ip = Array(frame[14...])
        let read =
            switch (frame[12], frame[13], ip[0] >> 4) {
            case (0x08, 0x00, 4): Self(ipv4: ip)
            case (0x86, 0xdd, 6): Self(ipv6: ip)
            default: nil as Self?
            }
        guard var read else { return nil }
        read.linkDestination = LinkAddress(octets: frame[0..<6])!
        read.linkSource = LinkAddress(octets: frame[6..<12])!
        guard read.bytes == frame else { return nil }
        self = read
    }

    private init?(ipv4 ip: [UInt8]) {
        let header = Int(ip[0] & 15) * 4
        let total = Int(ip.number(at: 2, UInt16.self))
        guard header >= 20, total >= header, total <= ip.count else { return nil }
        let fragment = ip.number(at: 6, UInt16.self)
        let rest = Array(ip[header..<total])
        let whole = fragment & 0x3fff == 0
        guard let content = whole ? Content(number: ip[9], rest, isIPv6: false) : .other(ip[9], rest) else {
            return nil
        }
        self.init(
            tos: ip[1], identification: ip.number(at: 4), fragment: fragment, flowLabel: 0, ttl: ip[8],
            source: IPAddress(octets: Array(ip[12..<16])), destination: IPAddress(octets: Array(ip[16..<20])),
            options: Array(ip[20..<header]), content: content, padding: Array(ip[total...]))
    }

    private init?(ipv6 ip: [UInt8]) {
        guard ip.count >= 40 else { return nil }
        let first = ip.number(at: 0, UInt32.self)
        let total = 40 + Int(ip.number(at: 4, UInt16.self))
        guard total <= ip.count else { return nil }
        var (next, rest) = (ip[6], Array(ip[40..<total]))
        var extensions: [Extension] = []
        var isFragment = false
        while !isFragment, [0, 43, 44, 60].contains(next) {
            guard rest.count >= 8 else { return nil }
            let length = next == 44 ? 8 : (Int(rest[1]) + 1) * 8
            guard length <= rest.count else { return nil }
            switch next {
            case 0: extensions.append(.hopByHop(Array(rest[2..<length])))
            case 60: extensions.append(.destination(Array(rest[2..<length])))
            case 43:
                extensions.append(.routing(type: rest[2], segmentsLeft: rest[3], data: Array(rest[4..<length])))
            default:
                let field = rest.number(at: 2, UInt16.self)
                extensions.append(
                    .fragment(offset: field >> 3, more: field & 1 == 1, identification: rest.number(at: 4)))
                isFragment = field & 0xfff9 != 0
            }
            (next, rest) = (rest[0], Array(rest[length...]))
        }
        guard let content = isFragment ? .other(next, rest) : Content(number: next, rest, isIPv6: true) else {
            return nil
        }
        self.init(
            tos: UInt8(truncatingIfNeeded: first >> 20), identification: 0, fragment: 0, flowLabel: first & 0xfffff,
            ttl: ip[7], source: IPAddress(octets: Array(ip[8..<24])),
            destination: IPAddress(octets: Array(ip[24..<40])), extensions: extensions, content: content,
            padding: Array(ip[total...]))
    }
}

extension Packet.Content {
    fileprivate init?(number: UInt8, _ bytes: [UInt8], isIPv6: Bool) {
        switch number {
        case 6:
            guard bytes.count >= 20, bytes.count >= Int(bytes[12] >> 4) * 4, bytes[12] >> 4 >= 5 else { return nil }
            let header = Int(bytes[12] >> 4) * 4
            self = .tcp(
                TCP(
                    ports: Ports(bytes), sequence: bytes.number(at: 4), acknowledgement: bytes.number(at: 8),
                    reserved: bytes[12] & 15, flags: TCP.Flags(rawValue: bytes[13]), window: bytes.number(at: 14),
                    urgent: bytes.number(at: 18), options: Array(bytes[20..<header]), payload: Array(bytes[header...])))
        case 17:
            guard bytes.count >= 8, bytes.number(at: 4, UInt16.self) == bytes.count else { return nil }
            self = .udp(
                UDP(ports: Ports(bytes), hasChecksum: bytes[6...7] != [0, 0], payload: Array(bytes[8...])))
        case isIPv6 ? 58 : 1:
            guard bytes.count >= 8 else { return nil }
            self = .icmp(
                ICMP(type: bytes[0], code: bytes[1], rest: bytes.number(at: 4), data: Array(bytes[8...])))
        default:
            self = .other(number, bytes)
        }
    }
}

extension Ports {
    /// The first four bytes of a TCP or UDP header.
    init(_ bytes: [UInt8]) {
        self.init(source: bytes.number(at: 0), destination: bytes.number(at: 2))
    }
}
