import Addresses
import CDataplane

@testable import Balancer

/// What surrounds a plan in a test: a table of the smallest size, and ticks of a quarter second.
struct Network {
    var nextHops: [IPAddress: NextHop] = [:]
    var hostAddresses: Set<IPAddress> = []
    var oldSources: Set<IPAddress> = []

    var sources = SourceAddresses()
    var health = HealthBook()

    static let size = 251

    /// A network that reaches these by one device; the host is 20.1.1.1.
    init(reaching addresses: [IPAddress] = []) {
        for address in addresses { nextHops[address] = Self.hop(to: address) }
    }

    /// The link address ends with the last 32 bits of the IP address.
    static func hop(to address: IPAddress, source: IPAddress? = nil, known: Bool = true) -> NextHop {
        let (v4, v6): (IPAddress, IPAddress) = ("20.1.1.1", "2001:db8:20::1")
        return NextHop(
            interface: 3, ourAddress: LinkAddress(value: 0x02_00_00_00_00_01),
            source: source ?? (address.isIPv6 ? v6 : v4), otherSource: address.isIPv6 ? v4 : v6, mtu: 9000,
            neighbour: address,
            linkAddress: known
                ? LinkAddress(value: 0x0200_0000_0000 | UInt64(l4lb_address(address).words.3.bigEndian)) : nil)
    }

    func input(_ state: DesiredState) -> PlanInput {
        PlanInput(
            state: state, nextHops: nextHops, hostAddresses: hostAddresses, oldSources: oldSources,
            sources: sources, health: health, maglevSize: Self.size, maglevSeed: 1, tick: 0.25)
    }
}

/// What the XDP program asks of the filter.
extension Filter {
    func has(_ address: IPAddress) -> Bool { has(plane: 0, Self.place(Self.fold(address))) }

    func has(_ frontend: Frontend) -> Bool {
        let fold = Self.fold(frontend.endpoint.address)
        if frontend.endpoint.port == 0 { return has(plane: 2, Self.place(fold)) }
        let port = UInt64(frontend.endpoint.port.bigEndian) * 0x85eb_ca6b
        let transport = UInt64(frontend.transport.rawValue) * 0xc2b2_ae35
        return has(plane: 1, Self.place(fold ^ UInt32(truncatingIfNeeded: port ^ transport)))
    }

    var bitCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    private func has(plane: Int, _ bit: Int) -> Bool { words[plane * 1024 + bit / 64] >> UInt64(bit % 64) & 1 == 1 }

    private static func place(_ word: UInt32) -> Int {
        Int(UInt32(truncatingIfNeeded: UInt64(word ^ word >> 15) * 0x9e37_79b1) >> 16)
    }

    private static func fold(_ address: IPAddress) -> UInt32 {
        switch address {
        case .v4(let address): return address.value.bigEndian
        case .v6(let address):
            let words = [address.high >> 32, address.high, address.low >> 32, address.low].map {
                UInt32(truncatingIfNeeded: $0).bigEndian
            }
            let factors: [UInt32] = [0x85eb_ca6b, 0xc2b2_ae35, 0x27d4_eb2f, 1]
            return zip(words, factors).reduce(0) { $0 ^ $1.0 &* $1.1 }
        }
    }
}

extension MapContents {
    subscript(frontend: Frontend) -> l4lb_service? { services[Key(l4lb_service_key(frontend))] }

    func isSame(as other: MapContents) -> Bool {
        tables == other.tables && addresses == other.addresses && filter == other.filter
            && sourceRanges == other.sourceRanges && services.mapValues(Key.init) == other.services.mapValues(Key.init)
            && backends.mapValues(Key.init) == other.backends.mapValues(Key.init) && accounts == other.accounts
            && snatAddresses == other.snatAddresses
    }
}

/// The bytes of an ABI struct, as the XDP program reads them.
func bytes<Raw: BitwiseCopyable>(_ raw: Raw) -> [UInt8] {
    withUnsafeBytes(of: raw) { Array($0) }
}
