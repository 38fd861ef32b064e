import Addresses
import Balancer

/// An IPv4 packet in an Ethernet frame, as text-book fields. `bytes` works every checksum and length
/// out from scratch, so that equal bytes mean valid checksums.
struct Packet: Equatable {
    var linkDestination = Place.balancer.link
    var linkSource = Place.client.link
    var tos: UInt8 = 0
    var identification: UInt16 = 0x1d2c
    /// Flags and offset: here "don't fragment".
    var fragment: UInt16 = 0x4000
    var ttl: UInt8 = 64
    var source: IPv4Address
    var destination: IPv4Address
    var options: [UInt8] = []
    var content: Content
    /// What lies behind the packet: Ethernet pads short frames to 60 bytes.
    var padding: [UInt8] = []

    enum Content: Equatable {
        case tcp(TCP)
        case udp(UDP)
        case icmp(ICMP)
        case other(UInt8, [UInt8])
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

struct Ports: Equatable {
    var source: UInt16
    var destination: UInt16
}

/// The Internet checksum over all bytes (RFC 1071): never the incremental method.
func internetChecksum(_ bytes: some Collection<UInt8>) -> UInt16 {
    var sum: UInt32 = 0
    var isHigh = true
    for byte in bytes {
        sum += isHigh ? UInt32(byte) << 8 : UInt32(byte)
        isHigh.toggle()
        sum = (sum & 0xffff) + sum >> 16
    }
    return ~UInt16((sum & 0xffff) + sum >> 16)
}

extension Packet {
    var bytes: [UInt8] { linkDestination.octets + linkSource.octets + [0x08, 0x00] + datagram + padding }

    /// The IP packet alone.
    var datagram: [UInt8] {
        let inner = contentBytes
        var header: [UInt8] = [0x45 + UInt8(options.count / 4), tos]
        header += UInt16(20 + options.count + inner.count).octets + identification.octets + fragment.octets
        header += [ttl, protocolNumber, 0, 0] + source.octets + destination.octets + options
        header.replaceSubrange(10..<12, with: internetChecksum(header).octets)
        return header + inner
    }

    /// What IP calls the total length.
    var length: Int { 20 + options.count + contentBytes.count }

    var protocolNumber: UInt8 {
        switch content {
        case .tcp: 6
        case .udp: 17
        case .icmp: 1
        case .other(let number, _): number
        }
    }

    private var contentBytes: [UInt8] {
        switch content {
        case .tcp(let tcp):
            var bytes = tcp.ports.octets + tcp.sequence.octets + tcp.acknowledgement.octets
            bytes += [UInt8(5 + tcp.options.count / 4) << 4 | tcp.reserved, tcp.flags.rawValue] + tcp.window.octets
            bytes += [0, 0] + tcp.urgent.octets + tcp.options + tcp.payload
            bytes.replaceSubrange(16..<18, with: internetChecksum(pseudoHeader(bytes.count) + bytes).octets)
            return bytes
        case .udp(let udp):
            var bytes = udp.ports.octets + UInt16(8 + udp.payload.count).octets + [0, 0] + udp.payload
            guard udp.hasChecksum else { return bytes }
            let sum = internetChecksum(pseudoHeader(bytes.count) + bytes)
            // RFC 768: a checksum that is zero is sent as all ones.
            bytes.replaceSubrange(6..<8, with: (sum == 0 ? 0xffff : sum).octets)
            return bytes
        case .icmp(let icmp):
            var bytes = [icmp.type, icmp.code, 0, 0] + icmp.rest.octets + icmp.data
            bytes.replaceSubrange(2..<4, with: internetChecksum(bytes).octets)
            return bytes
        case .other(_, let bytes):
            return bytes
        }
    }

    private func pseudoHeader(_ length: Int) -> [UInt8] {
        source.octets + destination.octets + [0, protocolNumber] + UInt16(length).octets
    }
}

extension Ports {
    var octets: [UInt8] { source.octets + destination.octets }
}

extension IPv4Address {
    var octets: [UInt8] { value.octets }
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// In network byte order.
    var octets: [UInt8] {
        stride(from: Self.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: self >> Self($0)) }
    }
}
