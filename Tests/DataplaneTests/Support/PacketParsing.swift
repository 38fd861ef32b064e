import Addresses
import Balancer

extension Packet {
    /// Nil where the frame is no IPv4 packet whose lengths are true and whose IP, TCP, UDP or ICMP
    /// checksums are valid: built again from its fields it would not be the same.
    init?(_ frame: [UInt8]) {
        guard frame.count >= 34, frame[12...13] == [0x08, 0x00], frame[14] >> 4 == 4 else { return nil }
        let ip = Array(frame[14...])
        let header = Int(ip[0] & 15) * 4
        let total = Int(ip.number(at: 2, UInt16.self))
        guard header >= 20, total >= header, total <= ip.count else { return nil }
        guard let content = Content(number: ip[9], Array(ip[header..<total])) else { return nil }
        self.init(
            linkDestination: LinkAddress(octets: frame[0..<6])!, linkSource: LinkAddress(octets: frame[6..<12])!,
            tos: ip[1], identification: ip.number(at: 4), fragment: ip.number(at: 6), ttl: ip[8],
            source: IPv4Address(value: ip.number(at: 12)), destination: IPv4Address(value: ip.number(at: 16)),
            options: Array(ip[20..<header]), content: content, padding: Array(ip[total...]))
        guard bytes == frame else { return nil }
    }
}

extension Packet.Content {
    fileprivate init?(number: UInt8, _ bytes: [UInt8]) {
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
        case 1:
            guard bytes.count >= 8 else { return nil }
            self = .icmp(
                ICMP(type: bytes[0], code: bytes[1], rest: bytes.number(at: 4), data: Array(bytes[8...])))
        default:
            self = .other(number, bytes)
        }
    }
}

extension Packet {
    /// The fields that TCP and UDP share.
    var ports: Ports {
        get {
            switch content {
            case .tcp(let tcp): tcp.ports
            case .udp(let udp): udp.ports
            default: Ports(source: 0, destination: 0)
            }
        }
        set {
            switch content {
            case .tcp(var tcp):
                tcp.ports = newValue
                content = .tcp(tcp)
            case .udp(var udp):
                udp.ports = newValue
                content = .udp(udp)
            default: break
            }
        }
    }

    var payload: [UInt8] {
        get {
            switch content {
            case .tcp(let tcp): tcp.payload
            case .udp(let udp): udp.payload
            case .icmp(let icmp): icmp.data
            case .other(_, let bytes): bytes
            }
        }
        set {
            switch content {
            case .tcp(var tcp):
                tcp.payload = newValue
                content = .tcp(tcp)
            case .udp(var udp):
                udp.payload = newValue
                content = .udp(udp)
            case .icmp(var icmp):
                icmp.data = newValue
                content = .icmp(icmp)
            case .other(let number, _): content = .other(number, newValue)
            }
        }
    }

    /// The two ends, as flows are told apart.
    var sourceEndpoint: Endpoint { Endpoint(.v4(source), port: ports.source) }
    var destinationEndpoint: Endpoint { Endpoint(.v4(destination), port: ports.destination) }
}

extension Ports {
    fileprivate init(_ bytes: [UInt8]) {
        self.init(source: bytes.number(at: 0), destination: bytes.number(at: 2))
    }
}

extension [UInt8] {
    /// A number in network byte order.
    func number<Number: FixedWidthInteger & UnsignedInteger>(at offset: Int, _: Number.Type = Number.self) -> Number {
        self[offset..<offset + Number.bitWidth / 8].reduce(0) { $0 << 8 | Number($1) }
    }

    func replacing(at offset: Int, with bytes: [UInt8]) -> [UInt8] {
        var copy = self
        copy.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return copy
    }

    func replacing(at offset: Int, with byte: UInt8) -> [UInt8] { replacing(at: offset, with: [byte]) }
}
