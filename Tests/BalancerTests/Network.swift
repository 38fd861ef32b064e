import Addresses
import CDataplane

@testable import Balancer

/// What surrounds a plan in a test: a table of the smallest size, and ticks of a quarter second.
struct Network {
    var nextHops: [IPv4Address: NextHop] = [:]
    var hostAddresses: Set<IPv4Address> = []
    var oldSources: Set<IPv4Address> = []

    static let size = 251

    /// A network that reaches these by one device; the host is 20.1.1.1.
    init(reaching addresses: [IPv4Address] = []) {
        for address in addresses { nextHops[address] = Self.hop(to: address) }
    }

    static func hop(to address: IPv4Address, source: IPv4Address = "20.1.1.1", known: Bool = true) -> NextHop {
        NextHop(
            interface: 3, ourAddress: LinkAddress(value: 0x02_00_00_00_00_01), source: source, neighbour: .v4(address),
            linkAddress: known ? LinkAddress(value: 0x0200_0000_0000 | UInt64(address.value)) : nil)
    }

    func input(_ state: DesiredState) -> PlanInput {
        PlanInput(
            state: state, nextHops: nextHops, hostAddresses: hostAddresses, oldSources: oldSources,
            maglevSize: Self.size, maglevSeed: 1, tick: 0.25)
    }
}

extension AddressFilter {
    /// What `filter_has` of the XDP program answers: address * 0x9e3779b1 >> 16.
    func has(_ address: IPv4Address) -> Bool {
        let bit = UInt32(truncatingIfNeeded: UInt64(address.value.bigEndian) * 0x9e37_79b1) >> 16
        return words[Int(bit / 64)] >> UInt64(bit % 64) & 1 == 1
    }

    var bitCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }
}

extension MapContents {
    subscript(frontend: Frontend) -> l4lb_service? { services[Key(l4lb_service_key(frontend))] }

    func isSame(as other: MapContents) -> Bool {
        tables == other.tables && addresses == other.addresses && filter == other.filter
            && sourceRanges == other.sourceRanges && services.mapValues(Key.init) == other.services.mapValues(Key.init)
            && backends.mapValues(Key.init) == other.backends.mapValues(Key.init)
    }
}

/// The bytes of an ABI struct, as the XDP program reads them.
func bytes<Raw: BitwiseCopyable>(_ raw: Raw) -> [UInt8] {
    withUnsafeBytes(of: raw) { Array($0) }
}
