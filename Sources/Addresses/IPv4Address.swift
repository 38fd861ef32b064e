/// An IPv4 address (RFC 791).
public struct IPv4Address: Hashable, Comparable, Sendable {
    /// The address as a number in host byte order: 10.0.0.1 is 0x0a000001.
    public var value: UInt32

    public init(value: UInt32) {
        self.value = value
    }

    public static func < (a: Self, b: Self) -> Bool { a.value < b.value }

    /// 224.0.0.0/4 (RFC 5771).
    public var isMulticast: Bool { value >> 28 == 0xe }
    /// 127.0.0.0/8 (RFC 1122).
    public var isLoopback: Bool { value >> 24 == 127 }
    /// 0.0.0.0/8, "this network" (RFC 1122).
    public var isUnspecified: Bool { value >> 24 == 0 }
    /// 240.0.0.0/4, reserved, and the limited broadcast address (RFC 1112).
    public var isReserved: Bool { value >> 28 == 0xf }
}

extension IPv4Address: LosslessStringConvertible {
    /// Accepts exactly four decimal numbers from 0 to 255 without leading zeros.
    /// `010` is refused: some tools read it as octal 8.
    public init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let octet = UInt8(decimal: part) else { return nil }
            value = value << 8 | UInt32(octet)
        }
        self.init(value: value)
    }

    public var description: String {
        "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    }
}

extension FixedWidthInteger {
    /// Digits only: no sign, no blank, no leading zero.
    init?(decimal digits: Substring.UTF8View.SubSequence) {
        guard !digits.isEmpty, digits.count == 1 || digits.first != UInt8(ascii: "0"),
            digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        self.init(String(decoding: digits, as: UTF8.self))
    }
}
