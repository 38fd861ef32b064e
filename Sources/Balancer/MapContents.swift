import CDataplane

/// What the maps shall hold: a pure function of the desired state, the next hops, and the places
/// that backends have. Values are the ABI's own structs, so that nothing is laid out twice.
public struct MapContents: Sendable {
    public internal(set) var services: [Key<l4lb_service_key>: l4lb_service] = [:]
    /// By service id: for each slot of the Maglev table the place of a backend.
    public internal(set) var tables: [UInt16: [UInt16]] = [:]
    public internal(set) var backends: [UInt16: l4lb_backend] = [:]
    /// Frontend addresses that the host does not have: the echo there is answered by us.
    public internal(set) var addresses: Set<Key<l4lb_address>> = []
    public internal(set) var filter = Filter()
    public internal(set) var sourceRanges: Set<Key<l4lb_source_range_key>> = []
    /// The services whose drops are counted and whose new connections have a budget, by id.
    public internal(set) var accounts: [UInt16: Key<l4lb_service_key>] = [:]
    /// The addresses that SNAT sends from, by their place in the map.
    public internal(set) var snatAddresses: [UInt32: Key<l4lb_address>] = [:]

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
