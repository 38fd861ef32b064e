import Addresses
import CDataplane

/// The one place where network byte order is made and undone: the ABI's `__be16`, `__be32` and `l4lb_address`.
extension IPv4Address {
    var networkOrder: UInt32 { value.bigEndian }

    init(networkOrder: UInt32) {
        self.init(value: UInt32(bigEndian: networkOrder))
    }
}

extension UInt16 {
    var networkOrder: UInt16 { bigEndian }

    init(networkOrder: UInt16) {
        self.init(bigEndian: networkOrder)
    }
}

extension l4lb_address {
    /// IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
    public init(_ address: IPAddress) {
        switch address {
        case .v4(let address):
            self.init(words: (0, 0, UInt32(0xffff).bigEndian, address.networkOrder))
        case .v6(let address):
            let word = { (half: UInt64, shift: UInt64) in UInt32(truncatingIfNeeded: half >> shift).bigEndian }
            self.init(
                words: (word(address.high, 32), word(address.high, 0), word(address.low, 32), word(address.low, 0)))
        }
    }

    public var address: IPAddress {
        let half = { (upper: UInt32, lower: UInt32) in
            UInt64(UInt32(bigEndian: upper)) << 32 | UInt64(UInt32(bigEndian: lower))
        }
        let address = IPv6Address(high: half(words.0, words.1), low: half(words.2, words.3))
        return address.isIPv4Mapped ? .v4(IPv4Address(networkOrder: words.3)) : .v6(address)
    }
}

/// Six octets as C's `__u8[6]` arrives in Swift.
typealias OctetTuple = (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

extension LinkAddress {
    public var octetTuple: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) {
        let o = octets
        return (o[0], o[1], o[2], o[3], o[4], o[5])
    }
}
