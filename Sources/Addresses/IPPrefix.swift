/// An IPv4 prefix in CIDR notation (RFC 4632), such as `10.0.0.0/8`.
public struct IPv4Prefix: Hashable, Comparable, Sendable {
    public let address: IPv4Address
    /// 0 to 32 bits.
    public let length: UInt8

    /// Nil where bits are set beyond the length: `10.0.0.1/8` is more likely a slip than a wish.
    public init?(_ address: IPv4Address, length: UInt8) {
        guard length <= 32, address.value & ~Self.mask(length) == 0 else { return nil }
        self.address = address
        self.length = length
    }

    public static func < (a: Self, b: Self) -> Bool { (a.address, a.length) < (b.address, b.length) }

    public func contains(_ other: IPv4Address) -> Bool {
        other.value & Self.mask(length) == address.value
    }

    private static func mask(_ length: UInt8) -> UInt32 {
        length == 0 ? 0 : ~0 << (32 - UInt32(length))
    }
}

extension IPv4Prefix: LosslessStringConvertible {
    /// An address without a length is a single host, `/32`.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPv4Address(String(parts[0])) else { return nil }
        guard parts.count == 2 else {
            self.init(address, length: 32)
            return
        }
        guard let length = UInt8(decimal: parts[1].utf8) else { return nil }
        self.init(address, length: length)
    }

    public var description: String { "\(address)/\(length)" }
}
