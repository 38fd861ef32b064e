import Addresses

/// Netlink pads messages and attributes to four bytes (NLMSG_ALIGNTO, NLA_ALIGNTO).
func aligned(_ length: Int) -> Int {
    (length + 3) & ~3
}

extension ArraySlice<UInt8> {
    /// The C structure at the beginning of these bytes, nil where they are too short for it.
    /// `T` is one of the kernel's structures of plain integers, for which every bit pattern is a value.
    func structure<T: BitwiseCopyable>(_ type: T.Type) -> T? {
        guard count >= MemoryLayout<T>.size else { return nil }
        return unsafe withUnsafeBytes { unsafe $0.loadUnaligned(as: T.self) }
    }

    /// A number in host byte order, nil where the length is not that of `T`.
    func number<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T? {
        guard count == MemoryLayout<T>.size else { return nil }
        return T(littleEndian: reversed().reduce(0) { $0 << 8 | T(truncatingIfNeeded: $1) })
    }

    /// Text that ends at the first zero byte, or with the bytes.
    var text: String {
        String(decoding: prefix { $0 != 0 }, as: UTF8.self)
    }
}

extension IPAddress {
    /// From 4 or 16 bytes in network byte order; nil for any other number.
    init?(octets: ArraySlice<UInt8>) {
        let number = { (part: ArraySlice<UInt8>) in part.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        switch octets.count {
        case 4: self = .v4(IPv4Address(value: UInt32(number(octets))))
        case 16: self = .v6(IPv6Address(high: number(octets.prefix(8)), low: number(octets.suffix(8))))
        default: return nil
        }
    }

    /// 4 or 16 bytes in network byte order.
    var octets: [UInt8] {
        let octets = { (number: UInt64, bits: Int) in
            stride(from: bits - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> UInt64($0)) }
        }
        return switch self {
        case .v4(let address): octets(UInt64(address.value), 32)
        case .v6(let address): octets(address.high, 64) + octets(address.low, 64)
        }
    }
}
