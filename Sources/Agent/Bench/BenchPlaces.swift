import Addresses
import Balancer
import CDataplane

/// The made-up network of one family: the addresses are those set aside for benchmarks (RFC 2544, RFC 5180) and
/// documentation.
struct BenchPlaces: Sendable {
    let isIPv6: Bool
    static let services = 1 << Int(L4LB_BENCH_FRONTEND_BITS)
    static let backendsOfService = 8
    static let port: UInt16 = 80
    static let ours = LinkAddress(value: 0x02_00_00_00_00_01)
    static let clientLink = LinkAddress(value: 0x02_00_00_00_00_0c)
    static let nextHop = LinkAddress(value: 0x02_00_00_00_00_0b)

    private enum Net: UInt32 {
        case clients, frontends, backends, others
    }

    private func address(_ net: Net, _ number: UInt32) -> IPAddress {
        if isIPv6 { return .v6(IPv6Address(high: 0x2001_0002_0000_0000 + UInt64(net.rawValue), low: UInt64(number))) }
        let base: UInt32 =
            switch net {
            case .clients: 10 << 24
            case .frontends: 198 << 24 | 18 << 16
            case .backends: 198 << 24 | 19 << 16
            case .others: 192 << 24 | 2 << 8
            }
        return .v4(IPv4Address(value: base + number))
    }

    /// The balancer's own.
    var balancer: IPAddress { address(.others, 1) }
    /// An address that the balancer does not know, nor takes for one of its own in the filter.
    var stranger: IPAddress { address(.others, 0x24d) }
    /// On the clients' side, where the link is too narrow.
    var router: IPAddress { address(.others, 2) }

    /// 0 to `services` - 1. The driver turns bits of the first one's address.
    func frontend(_ service: Int) -> Endpoint {
        Endpoint(address(.frontends, 1 ^ UInt32(service)), port: Self.port)
    }

    func backends(of service: Int) -> [Endpoint] {
        (0..<Self.backendsOfService).map {
            Endpoint(address(.backends, UInt32(service * Self.backendsOfService + $0 + 1)), port: Self.port)
        }
    }

    /// The ends of a client's flow, by its number, as the driver makes them.
    func client(_ flow: UInt32) -> Endpoint {
        let low = UInt16(flow & (1 << UInt32(L4LB_BENCH_PORT_BITS) - 1))
        return Endpoint(address(.clients, 1 ^ flow >> UInt32(L4LB_BENCH_PORT_BITS)), port: 32768 ^ low)
    }

    func frontend(ofFlow flow: UInt32) -> Endpoint { frontend(Int(flow) & (Self.services - 1)) }

    /// What the user would have asked for.
    func state(mode: Mode) throws(BalancerError) -> DesiredState {
        var state = DesiredState(mode: mode)
        for service in 0..<Self.services {
            let texts = ServiceRequest.Texts(
                frontend: "\(frontend(service))",
                backends: backends(of: service).map(\.description).joined(separator: ","))
            _ = try state.update(ServiceRequest(texts), origin: .command)
        }
        return state
    }

    /// All backends behind one router, out of the device that the packets come in by.
    var nextHops: [IPAddress: NextHop] {
        let hop = NextHop(
            interface: Self.interface, ourAddress: Self.ours, source: balancer, neighbour: router,
            linkAddress: Self.nextHop)
        let all = (0..<Self.services).flatMap(backends(of:))
        return Dictionary(uniqueKeysWithValues: all.map { ($0.address, hop) })
    }

    /// The program asks for no more than its number.
    static let interface: UInt32 = 1
}
