import Addresses

/// The Internet checksum over all bytes (RFC 1071): never the incremental method.
func internetChecksum(_ bytes: some Collection<UInt8>) -> UInt16 {
    var sum: UInt64 = 0
    var isHigh = true
    for byte in bytes {
        sum &+= isHigh ? UInt64(byte) << 8 : UInt64(byte)
        isHigh.toggle()
    }
    while sum >> 16 != 0 { sum = (sum & 0xffff) + sum >> 16 }
    return ~UInt16(sum)
}

extension Packet {
    var bytes: [UInt8] {
        linkDestination.octets + linkSource.octets + Self.type(isIPv6: isIPv6) + datagram + padding
    }

    /// The Ethernet type.
    static func type(isIPv6: Bool) -> [UInt8] { isIPv6 ? [0x86, 0xdd] : [0x08, 0x00] }

    /// The IP packet alone.
    var datagram: [UInt8] {
        let inner = contentBytes
        guard !isIPv6 else {
            let chain = extensionBytes
            return (0x6000_0000 | UInt32(tos) << 20 | flowLabel).octets + UInt16(chain.count + inner.count).octets
                + [extensions.first?.number ?? protocolNumber, ttl] + source.octets + destination.octets + chain + inner
        }
        var header: [UInt8] = [0x45 + UInt8(options.count / 4), tos]
        header += UInt16(20 + options.count + inner.count).octets + identification.octets + fragment.octets
        header += [ttl, protocolNumber, 0, 0] + source.octets + destination.octets + options
        header.replaceSubrange(10..<12, with: internetChecksum(header).octets)
        return header + inner
    }

    /// Bytes of the IP packet: IPv4's total length.
    var length: Int { (isIPv6 ? 40 + extensionBytes.count : 20 + options.count) + contentBytes.count }

    private var extensionBytes: [UInt8] {
        let numbers = extensions.dropFirst().map(\.number) + [protocolNumber]
        return zip(extensions, numbers).flatMap { header, next in header.bytes(next: next) }
    }

    /// What lies behind the IP header.
    var contentBytes: [UInt8] {
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
            let covered = isIPv6 ? pseudoHeader(bytes.count) + bytes : bytes
            bytes.replaceSubrange(2..<4, with: internetChecksum(covered).octets)
            return bytes
        case .other(_, let bytes):
            return bytes
        }
    }

    /// RFC 9293 section 3.1, RFC 8200 section 8.1.
    private func pseudoHeader(_ length: Int) -> [UInt8] {
        source.octets + destination.octets
            + (isIPv6
                ? UInt32(length).octets + [0, 0, 0, protocolNumber] : [0, protocolNumber] + UInt16(length).octets)
    }
}

extension Extension {
    func bytes(next: UInt8) -> [UInt8] {
        switch self {
        case .hopByHop(let options), .destination(let options):
            return [next, UInt8((options.count + 2) / 8 - 1)] + options
        case .routing(let type, let segmentsLeft, let data):
            return [next, UInt8((data.count + 4) / 8 - 1), type, segmentsLeft] + data
        case .fragment(let offset, let more, let identification):
            return [next, 0] + (offset << 3 | (more ? 1 : 0)).octets + identification.octets
        }
    }
}

extension Ports {
    var octets: [UInt8] { source.octets + destination.octets }
}

extension IPv4Address {
    var octets: [UInt8] { value.octets }
}

extension IPAddress {
    /// 4 or 16 bytes.
    var octets: [UInt8] {
        switch self {
        case .v4(let address): address.value.octets
        case .v6(let address): address.high.octets + address.low.octets
        }
    }

    /// From 4 or 16 bytes.
    init(octets: [UInt8]) {
        self =
            octets.count == 4
            ? .v4(IPv4Address(value: octets.number(at: 0)))
            : .v6(IPv6Address(high: octets.number(at: 0), low: octets.number(at: 8)))
    }
}

extension IPAddress: ExpressibleByStringLiteral {
    /// For the tests' own constants: a text that is no address is a mistake in the test.
    public init(stringLiteral text: String) { self = IPAddress(text)! }
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// In network byte order.
    var octets: [UInt8] {
        stride(from: Self.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: self >> Self($0)) }
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
