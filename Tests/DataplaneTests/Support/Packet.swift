import Addresses
import Balancer

/// An IP packet of either family in an Ethernet frame, as text-book fields: the addresses tell the family. `bytes`
/// works every checksum and length out from scratch, so that equal bytes mean valid checksums.
struct Packet {
    var linkDestination = Place.balancer.link
    var linkSource = Place.client.link
    /// DSCP and ECN: IPv6 calls it the traffic class.
    var tos: UInt8 = 0
    /// IPv4 alone.
    var identification: UInt16 = 0x1d2c
    /// IPv4's flags and offset: here "don't fragment".
    var fragment: UInt16 = 0x4000
    /// IPv6 alone, 20 bits.
    var flowLabel: UInt32 = 0x4d3c2
    /// IPv6 calls it the hop limit.
    var ttl: UInt8 = 64
    var source: IPAddress
    var destination: IPAddress
    /// IPv4 alone, a multiple of four bytes.
    var options: [UInt8] = []
    /// IPv6 alone, in the order of their sending.
    var extensions: [Extension] = []
    var content: Content
    /// What lies behind the packet: Ethernet pads short frames to 60 bytes.
    var padding: [UInt8] = []

    enum Content: Equatable {
        case tcp(TCP)
        case udp(UDP)
        /// ICMPv6 in an IPv6 packet.
        case icmp(ICMP)
        /// Any protocol's bytes as they are; also those of a fragment, whose checksum is the whole packet's.
        case other(UInt8, [UInt8])
    }
}

/// An IPv6 extension header (RFC 8200 section 4).
enum Extension: Equatable {
    /// Six bytes of options, or eight times n more.
    case hopByHop([UInt8])
    case destination([UInt8])
    /// Four bytes of data, or eight times n more.
    case routing(type: UInt8, segmentsLeft: UInt8, data: [UInt8])
    /// The offset in units of eight bytes.
    case fragment(offset: UInt16, more: Bool, identification: UInt32)

    /// Six bytes of padding: PadN (RFC 8200 section 4.2).
    static let padding: [UInt8] = [1, 4, 0, 0, 0, 0]

    var number: UInt8 {
        switch self {
        case .hopByHop: 0
        case .destination: 60
        case .routing: 43
        case .fragment: 44
        }
    }
}

struct TCP: Equatable {
    struct Flags: OptionSet, Hashable {
        var rawValue: UInt8
        static let fin = Flags(rawValue: 0x01)
        static let syn = Flags(rawValue: 0x02)
        static let rst = Flags(rawValue: 0x04)
        static let psh = Flags(rawValue: 0x08)
        static let ack = Flags(rawValue: 0x10)
    }

    var ports: Ports
    var sequence: UInt32 = 0x0102_0304
    var acknowledgement: UInt32 = 0x0506_0708
    /// The four reserved bits beside the data offset.
    var reserved: UInt8 = 0
    var flags: Flags = .ack
    var window: UInt16 = 0xfaf0
    var urgent: UInt16 = 0
    var options: [UInt8] = []
    var payload: [UInt8] = []
}

struct UDP: Equatable {
    var ports: Ports
    var hasChecksum = true
    var payload: [UInt8] = []
}

struct ICMP: Equatable {
    var type: UInt8
    var code: UInt8 = 0
    var rest: UInt32 = 0
    var data: [UInt8] = []
}

struct Ports: Hashable {
    var source: UInt16
    var destination: UInt16
}

extension Packet: Equatable {
    static func == (a: Self, b: Self) -> Bool { a.bytes == b.bytes }

    var isIPv6: Bool { destination.isIPv6 }

    var protocolNumber: UInt8 {
        switch content {
        case .tcp: 6
        case .udp: 17
        case .icmp: isIPv6 ? 58 : 1
        case .other(let number, _): number
        }
    }

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
    var sourceEndpoint: Endpoint { Endpoint(source, port: ports.source) }
    var destinationEndpoint: Endpoint { Endpoint(destination, port: ports.destination) }

    /// What a DSR backend finds inside.
    var inner: Packet? {
        guard case .other(let number, let bytes) = content, number == 4 || number == 41 else { return nil }
        return Packet(linkDestination.octets + linkSource.octets + Self.type(isIPv6: number == 41) + bytes)
    }

    /// The packet in another: IPv4-in-IPv4, IPv6-in-IPv6 and the two mixed ones, the outer family being that of the
    /// addresses. The outer header has the inner one's DSCP and ECN (RFC 6040), "don't fragment" and a TTL of 64.
    func encapsulated(from source: IPAddress, to destination: IPAddress) -> Packet {
        Packet(
            linkDestination: linkDestination, linkSource: linkSource, tos: tos, identification: 0, flowLabel: 0,
            source: source, destination: destination, content: .other(isIPv6 ? 41 : 4, datagram), padding: padding)
    }

    /// The packet cut into pieces of at most `size` bytes of content, a multiple of eight.
    func fragments(of size: Int, identification: UInt32 = 0x5e6f) -> [Packet] {
        let bytes = contentBytes
        let starts = stride(from: 0, to: bytes.count, by: size)
        return starts.map { start in
            let isLast = start + size >= bytes.count
            var piece = self
            piece.content = .other(protocolNumber, Array(bytes[start..<min(start + size, bytes.count)]))
            if isIPv6 {
                piece.extensions.append(
                    .fragment(offset: UInt16(start / 8), more: !isLast, identification: identification))
            } else {
                piece.identification = UInt16(truncatingIfNeeded: identification)
                piece.fragment = UInt16(start / 8) | (isLast ? 0 : 0x2000)
            }
            return piece
        }
    }
}
