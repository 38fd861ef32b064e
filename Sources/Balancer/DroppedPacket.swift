import Addresses
import CDataplane

/// A packet that the XDP program dropped and gave a sample of.
public struct DroppedPacket: Equatable, Sendable {
    /// Nil for a reason that this version does not know.
    public var reason: DropReason?
    /// The service that it was for, where that was known.
    public var service: UInt16?
    /// The index of the device it came in by.
    public var interface: UInt32
    /// Bytes of the frame.
    public var length: UInt32
    /// As far as the sample reaches.
    public var head: PacketHead

    /// A record of the ring `drop_samples`; nil where it is none.
    public init?(record: [UInt8]) {
        guard record.count >= MemoryLayout<l4lb_drop_sample>.size else { return nil }
        let sample = record.withUnsafeBytes { $0.loadUnaligned(as: l4lb_drop_sample.self) }
        reason = DropReason.allCases.first { $0.counter == UInt32(sample.reason) }
        service = sample.service == 0 ? nil : sample.service
        interface = sample.ifindex
        length = sample.length
        let bytes = withUnsafeBytes(of: sample.bytes) { Array($0.prefix(Int(sample.captured))) }
        head = PacketHead(frame: bytes)
    }
}

/// What the beginning of an Ethernet frame tells of the packet in it: its 5-tuple, or as much of that as there is.
public struct PacketHead: Equatable, Sendable {
    /// IANA's number.
    public var transport: UInt8?
    public var source, destination: IPAddress?
    /// Nil where there are none: neither TCP nor UDP, a later fragment, or cut off.
    public var ports: Ports?

    public struct Ports: Equatable, Sendable {
        public var source, destination: UInt16

        public init(source: UInt16, destination: UInt16) {
            self.source = source
            self.destination = destination
        }
    }

    public init(frame: [UInt8]) {
        let bytes = Bytes(frame)
        switch bytes.number(at: 12, UInt16.self) {
        case 0x0800: readIPv4(bytes)
        case 0x86dd: readIPv6(bytes)
        default: break
        }
    }

    /// `tcp`, `udp`, `icmp`, `icmpv6`, or the number.
    public var transportName: String? {
        transport.map { number in
            switch number {
            case 1: "icmp"
            case 58: "icmpv6"
            default: TransportProtocol(rawValue: number)?.description ?? "\(number)"
            }
        }
    }

    /// An end as the user writes it, without a port where there is none.
    public var client: String? { source.map { Self.text($0, port: ports?.source) } }
    public var target: String? { destination.map { Self.text($0, port: ports?.destination) } }

    private static func text(_ address: IPAddress, port: UInt16?) -> String {
        // Port 0 is no port that a user writes, but a packet may have it.
        switch (address, port) {
        case (_, nil): address.description
        case (.v4, let port?): "\(address):\(port)"
        case (.v6, let port?): "[\(address)]:\(port)"
        }
    }

    private mutating func readIPv4(_ bytes: Bytes) {
        guard let first = bytes.number(at: 14, UInt8.self), first >> 4 == 4, first & 15 >= 5 else { return }
        transport = bytes.number(at: 23)
        source = bytes.number(at: 26, UInt32.self).map { .v4(IPv4Address(value: $0)) }
        destination = bytes.number(at: 30, UInt32.self).map { .v4(IPv4Address(value: $0)) }
        guard let fragment = bytes.number(at: 20, UInt16.self), fragment & 0x1fff == 0 else { return }
        readPorts(bytes, at: 14 + Int(first & 15) * 4)
    }

    private mutating func readIPv6(_ bytes: Bytes) {
        guard let first = bytes.number(at: 14, UInt8.self), first >> 4 == 6 else { return }
        source = bytes.address6(at: 22)
        destination = bytes.address6(at: 38)
        guard var next = bytes.number(at: 20, UInt8.self) else { return }
        var at = 54
        // Extension headers (RFC 8200 section 4): hop-by-hop, routing, destination options; and fragment.
        while [0, 43, 60, 44].contains(next) {
            guard let following = bytes.number(at: at, UInt8.self), let length = bytes.number(at: at + 1, UInt8.self)
            else { return }
            if next == 44 {
                guard let field = bytes.number(at: at + 2, UInt16.self) else { return }
                transport = following
                if field & 0xfff8 != 0 { return }
                at += 8
            } else {
                at += (Int(length) + 1) * 8
            }
            next = following
        }
        transport = next
        readPorts(bytes, at: at)
    }

    private mutating func readPorts(_ bytes: Bytes, at offset: Int) {
        guard let transport, TransportProtocol(rawValue: transport) != nil,
            let source = bytes.number(at: offset, UInt16.self),
            let destination = bytes.number(at: offset + 2, UInt16.self)
        else { return }
        ports = Ports(source: source, destination: destination)
    }
}

/// Numbers of a packet, nil where they lie behind its end.
private struct Bytes {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func number<Number: FixedWidthInteger>(at offset: Int, _: Number.Type = Number.self) -> Number? {
        let end = offset + Number.bitWidth / 8
        guard end <= bytes.count else { return nil }
        return bytes[offset..<end].reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    func address6(at offset: Int) -> IPAddress? {
        guard let high = number(at: offset, UInt64.self), let low = number(at: offset + 8, UInt64.self) else {
            return nil
        }
        return .v6(IPv6Address(high: high, low: low))
    }
}
