/// An address of either family.
public enum IPAddress: Hashable, Comparable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    public var isIPv6: Bool {
        switch self {
        case .v4: false
        case .v6: true
        }
    }

    /// `IPv4` or `IPv6`, as texts name the family.
    public var familyName: String { isIPv6 ? "IPv6" : "IPv4" }

    /// 32 or 128.
    public var bitWidth: UInt8 { isIPv6 ? 128 : 32 }
}

extension IPAddress: LosslessStringConvertible {
    public init?(_ text: String) {
        if let address = IPv4Address(text) {
            self = .v4(address)
        } else if let address = IPv6Address(text) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}
