import Addresses
import CDataplane

/// What the maps shall hold: a pure function of the desired state, the next hops, and the places
/// that backends have. Values are the ABI's own structs, so that nothing is laid out twice.
public struct MapContents: Sendable {
    public internal(set) var services: [Key<l4lb_service_key>: l4lb_service] = [:]
    /// By service id: for each slot of the Maglev table the place of a backend.
    public internal(set) var tables: [UInt16: [UInt16]] = [:]
    public internal(set) var backends: [UInt16: l4lb_backend] = [:]
    /// Frontend addresses that the host does not have: the echo there is answered by us.
    public internal(set) var addresses: Set<UInt32> = []
    public internal(set) var filter = AddressFilter()
    public internal(set) var sourceRanges: Set<Key<l4lb_source_range_key>> = []

    public init() {}
}

/// A C struct as a dictionary's key: two are the same when all of their bytes are.
public struct Key<Raw: BitwiseCopyable & Sendable>: Hashable, Sendable {
    public let raw: Raw

    public init(_ raw: Raw) {
        self.raw = raw
    }

    public static func == (a: Self, b: Self) -> Bool { sameBytes(a.raw, b.raw) }

    public func hash(into hasher: inout Hasher) {
        withUnsafeBytes(of: raw) { hasher.combine(bytes: $0) }
    }
}

/// The ABI's structs name all of their padding, so that their bytes tell whether they are equal.
func sameBytes<T: BitwiseCopyable>(_ a: T, _ b: T) -> Bool {
    withUnsafeBytes(of: a) { a in withUnsafeBytes(of: b) { b in a.elementsEqual(b) } }
}

/// The sieve in front of all look-ups: one bit for each address that packets are looked at for.
public struct AddressFilter: Equatable, Sendable {
    public private(set) var words = [UInt64](repeating: 0, count: Int(L4LB_FILTER_BITS) / 64)

    public init() {}

    mutating func insert(_ address: IPv4Address) {
        let bit = Int((address.networkOrder &* 0x9e37_79b1) >> 16)
        words[bit / 64] |= 1 << UInt64(bit % 64)
    }

    public mutating func formUnion(_ other: Self) {
        for index in words.indices { words[index] |= other.words[index] }
    }
}
