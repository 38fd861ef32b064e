import Addresses
import CDataplane

/// The sieve in front of all look-ups, as the map `filter` holds it: three planes of bits. It lets through whatever
/// it was told of, and some strangers.
public struct Filter: Equatable, Sendable {
    /// The planes of `enum l4lb_filter_plane`, one behind the other.
    public private(set) var words = [UInt64](
        repeating: 0, count: Int(L4LB_FILTER_PLANES.rawValue) * Int(L4LB_FILTER_WORDS))

    public init() {}

    /// As many words as a new one has.
    public init(words: [UInt64]) {
        precondition(words.count == self.words.count)
        self.words = words
    }

    /// An address that packets are looked at for.
    mutating func insert(_ address: IPAddress) {
        set(L4LB_FILTER_ADDRESSES, Self.spread(Self.fold(address)))
    }

    /// A frontend, and with it its address.
    mutating func insert(_ frontend: Frontend) {
        let fold = Self.fold(frontend.endpoint.address)
        set(L4LB_FILTER_ADDRESSES, Self.spread(fold))
        if frontend.endpoint.isAllPorts {
            set(L4LB_FILTER_ALL_PORTS, Self.spread(fold))
        } else {
            let port = UInt32(frontend.endpoint.port.networkOrder) &* 0x85eb_ca6b
            let transport = UInt32(frontend.transport.rawValue) &* 0xc2b2_ae35
            set(L4LB_FILTER_SERVICES, Self.spread(fold ^ port ^ transport))
        }
    }

    public mutating func formUnion(_ other: Self) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    private mutating func set(_ plane: l4lb_filter_plane, _ bit: Int) {
        words[Int(plane.rawValue) * Int(L4LB_FILTER_WORDS) + bit / 64] |= 1 << UInt64(bit % 64)
    }

    /// One word of an address's words as they lie in a packet.
    private static func fold(_ address: IPAddress) -> UInt32 {
        let words = l4lb_address(address).words
        return switch address {
        case .v4: words.3
        case .v6: words.0 &* 0x85eb_ca6b ^ words.1 &* 0xc2b2_ae35 ^ words.2 &* 0x27d4_eb2f ^ words.3
        }
    }

    private static func spread(_ word: UInt32) -> Int { Int(((word ^ word >> 15) &* 0x9e37_79b1) >> 16) }
}
