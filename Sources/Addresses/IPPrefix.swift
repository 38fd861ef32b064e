/// A prefix of either family in CIDR notation (RFC 4632), such as `10.0.0.0/8` or `2001:db8::/32`.
public struct IPPrefix: Hashable, Comparable, Sendable {
    public let address: IPAddress
    /// 0 to 32 bits, in IPv6 to 128.
    public let length: UInt8

    /// Nil where bits are set beyond the length: `10.0.0.1/8` is more likely a slip than a wish.
    public init?(_ address: IPAddress, length: UInt8) {
        guard length <= address.bitWidth, address.masked(length) == address else { return nil }
        self.address = address
        self.length = length
    }

    /// The one that an address lies in; nil where there is none of that length.
    public init?(around address: IPAddress, length: UInt8) {
        self.init(address.masked(length), length: length)
    }

    public static func < (a: Self, b: Self) -> Bool { (a.address, a.length) < (b.address, b.length) }

    /// An address of the other family never lies in it.
    public func contains(_ other: IPAddress) -> Bool { other.masked(length) == address }

    /// The bits that the prefix leaves open, as an address.
    public var hostMask: IPAddress {
        switch address {
        case .v4: .v4(IPv4Address(value: ~UInt32.mask(Int(length))))
        case .v6: .v6(IPv6Address(high: ~UInt64.mask(Int(length)), low: ~UInt64.mask(Int(length) - 64)))
        }
    }
}

extension IPPrefix: LosslessStringConvertible {
    /// An address without a length is a single host, `/32` or `/128`.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        guard parts.count == 2 else {
            self.init(address, length: address.bitWidth)
            return
        }
        guard let length = UInt8(decimal: parts[1].utf8) else { return nil }
        self.init(address, length: length)
    }

    public var description: String { "\(address)/\(length)" }
}

extension IPAddress {
    /// The address with all bits beyond the length cleared.
    fileprivate func masked(_ length: UInt8) -> IPAddress {
        let length = Int(length)
        switch self {
        case .v4(let address):
            return .v4(IPv4Address(value: address.value & UInt32.mask(length)))
        case .v6(let address):
            return .v6(
                IPv6Address(high: address.high & UInt64.mask(length), low: address.low & UInt64.mask(length - 64)))
        }
    }
}

extension FixedWidthInteger {
    /// The upper bits set, as many as there are: fewer than none are none, more than all are all.
    fileprivate static func mask(_ length: Int) -> Self {
        length <= 0 ? 0 : ~0 << Swift.max(bitWidth - length, 0)
    }
}
