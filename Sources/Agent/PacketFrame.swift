import Addresses
import CDataplane

/// Ethernet frames with packets for the program; those of TCP have one size in a family. Every checksum is worked out from scratch, so that a
/// frame that came out is right when it is the same.
enum PacketFrame {
    enum Flags: UInt8 {
        case syn = 0x02
        case ack = 0x10
    }

    /// Payload bytes of TCP that make a frame of the driver's size.
    private static func payload(_ isIPv6: Bool) -> Int { size(isIPv6) - 14 - ipHeader(isIPv6) - 20 }

    static func size(_ isIPv6: Bool) -> Int { Int(isIPv6 ? L4LB_BENCH_FRAME6 : L4LB_BENCH_FRAME4) }
    static func ipHeader(_ isIPv6: Bool) -> Int { isIPv6 ? 40 : 20 }

    /// A TCP packet in a frame.
    static func tcp(
        from source: Endpoint, to destination: Endpoint, _ flags: Flags, hops: UInt8 = 64,
        link: (to: LinkAddress, from: LinkAddress) = (BenchPlaces.ours, BenchPlaces.clientLink)
    ) -> [UInt8] {
        let packet = tcpPacket(
            from: source, to: destination, flags, hops: hops, payload: payload(source.address.isIPv6))
        return ethernet(link, isIPv6: source.address.isIPv6) + packet
    }

    /// A UDP packet in a frame. The data's length is even.
    static func udp(
        from source: Endpoint, to destination: Endpoint, data: [UInt8], link: (to: LinkAddress, from: LinkAddress)
    ) -> [UInt8] {
        var datagram = source.port.octets + destination.port.octets + UInt16(8 + data.count).octets + [0, 0] + data
        let covered = pseudoHeader(source.address, destination.address, 17, datagram.count) + datagram
        // 0 would say that there is none (RFC 768).
        let sum = checksum(covered)
        datagram.replaceSubrange(6..<8, with: (sum == 0 ? UInt16.max : sum).octets)
        return ethernet(link, isIPv6: source.address.isIPv6)
            + ip(from: source.address, to: destination.address, 17, hops: 64, datagram)
    }

    /// ICMP "fragmentation needed" or "packet too big" about a packet that a server sent.
    static func tooBig(
        from router: IPAddress, to address: IPAddress, about server: Endpoint, client: Endpoint, hops: UInt8 = 64,
        link: (to: LinkAddress, from: LinkAddress) = (BenchPlaces.ours, BenchPlaces.clientLink)
    ) -> [UInt8] {
        let isIPv6 = router.isIPv6
        let quoted = size(isIPv6) - 14 - 2 * ipHeader(isIPv6) - 8 - 20
        let quote = tcpPacket(from: server, to: client, .ack, hops: 60, payload: quoted)
        var message: [UInt8] = (isIPv6 ? [2, 0] : [3, 4]) + [0, 0, 0, 0] + UInt16(1400).octets + quote
        let covered = isIPv6 ? pseudoHeader(router, address, 58, message.count) + message : message
        message.replaceSubrange(2..<4, with: checksum(covered).octets)
        return ethernet(link, isIPv6: isIPv6) + ip(from: router, to: address, isIPv6 ? 58 : 1, hops: hops, message)
    }

    /// A packet inside another one of the same family (RFC 2003, RFC 2473). `label`: the flow label, which is drawn
    /// by the table's secret hash.
    static func encapsulated(_ frame: [UInt8], from source: IPAddress, to destination: IPAddress, label: UInt32)
        -> [UInt8]
    {
        let isIPv6 = source.isIPv6
        return Array(frame[..<14])
            + ip(
                from: source, to: destination, isIPv6 ? 41 : 4, hops: 64, Array(frame[14...]), label: label,
                identification: 0)
    }

    private static func ethernet(_ link: (to: LinkAddress, from: LinkAddress), isIPv6: Bool) -> [UInt8] {
        link.to.octets + link.from.octets + (isIPv6 ? [0x86, 0xdd] : [0x08, 0x00])
    }

    private static func tcpPacket(
        from source: Endpoint, to destination: Endpoint, _ flags: Flags, hops: UInt8, payload: Int
    ) -> [UInt8] {
        var segment = source.port.octets + destination.port.octets + UInt32(0x0102_0304).octets
        segment += UInt32(flags == .syn ? 0 : 0x0506_0708).octets + [5 << 4, flags.rawValue] + UInt16(64240).octets
        segment += [0, 0, 0, 0] + [UInt8](repeating: 0, count: payload)
        let covered = pseudoHeader(source.address, destination.address, 6, segment.count) + segment
        segment.replaceSubrange(16..<18, with: checksum(covered).octets)
        return ip(from: source.address, to: destination.address, 6, hops: hops, segment)
    }

    private static func ip(
        from source: IPAddress, to destination: IPAddress, _ number: UInt8, hops: UInt8, _ content: [UInt8],
        label: UInt32 = 0, identification: UInt16 = 0x1d2c
    ) -> [UInt8] {
        if source.isIPv6 {
            return (UInt32(6) << 28 | label).octets + UInt16(content.count).octets + [number, hops] + source.octets
                + destination.octets + content
        }
        var header = [0x45, 0] + UInt16(20 + content.count).octets + identification.octets + UInt16(0x4000).octets
        header += [hops, number, 0, 0] + source.octets + destination.octets
        header.replaceSubrange(10..<12, with: checksum(header).octets)
        return header + content
    }

    private static func pseudoHeader(_ source: IPAddress, _ destination: IPAddress, _ number: UInt8, _ length: Int)
        -> [UInt8]
    {
        source.octets + destination.octets + UInt32(length).octets + [0, 0, 0, number]
    }

    /// RFC 1071, over an even number of bytes.
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for at in stride(from: 0, to: bytes.count, by: 2) { sum += UInt32(bytes[at]) << 8 | UInt32(bytes[at + 1]) }
        while sum >> 16 != 0 { sum = (sum & 0xffff) + sum >> 16 }
        return ~UInt16(sum)
    }
}

extension PacketFrame {
    /// The ends of a TCP packet, where the frame holds one without options.
    static func ends(_ frame: [UInt8]) -> (source: Endpoint, destination: Endpoint)? {
        guard let (source, destination) = addresses(frame), frame.count >= 14 + ipHeader(source.isIPv6) + 4 else {
            return nil
        }
        let ports = frame[(14 + ipHeader(source.isIPv6))...].prefix(4).map(UInt16.init)
        return (
            Endpoint(source, port: ports[0] << 8 | ports[1]), Endpoint(destination, port: ports[2] << 8 | ports[3])
        )
    }

    static func addresses(_ frame: [UInt8]) -> (source: IPAddress, destination: IPAddress)? {
        guard frame.count >= 54 else { return nil }
        if frame[12...13] == [0x86, 0xdd] { return (v6(frame[22..<38]), v6(frame[38..<54])) }
        return (v4(frame[26..<30]), v4(frame[30..<34]))
    }

    private static func v4(_ octets: ArraySlice<UInt8>) -> IPAddress {
        .v4(IPv4Address(value: octets.reduce(0) { $0 << 8 | UInt32($1) }))
    }

    private static func v6(_ octets: ArraySlice<UInt8>) -> IPAddress {
        let half = { (octets: ArraySlice<UInt8>) in octets.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        return .v6(IPv6Address(high: half(octets.prefix(8)), low: half(octets.suffix(8))))
    }

    /// Of an IPv6 frame, else 0.
    static func flowLabel(_ frame: [UInt8]) -> UInt32 {
        guard frame.count >= 18, frame[12...13] == [0x86, 0xdd] else { return 0 }
        return frame[15..<18].reduce(0) { $0 << 8 | UInt32($1) } & 0xfffff
    }
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// In network byte order.
    fileprivate var octets: [UInt8] {
        stride(from: Self.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: self >> Self($0)) }
    }
}

extension IPAddress {
    fileprivate var octets: [UInt8] {
        switch self {
        case .v4(let address): address.value.octets
        case .v6(let address): address.high.octets + address.low.octets
        }
    }
}
