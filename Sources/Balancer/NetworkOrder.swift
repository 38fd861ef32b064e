import Addresses

/// The one place where network byte order is made and undone: the ABI's `__be16` and `__be32`.
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

/// Six octets as C's `__u8[6]` arrives in Swift.
typealias OctetTuple = (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

extension LinkAddress {
    public var octetTuple: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) {
        let o = octets
        return (o[0], o[1], o[2], o[3], o[4], o[5])
    }
}
