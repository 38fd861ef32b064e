import Addresses
import Balancer

/// What each packet must become, written from the verdict table alone: a packet is read into values, its fate is
/// decided, and it is built again from scratch. The program's own choices (backend, SNAT port, a fragment's
/// identification, the outer flow label) are taken from what it sent, checked for what is allowed, and bind from then on.
struct ReferenceBalancer {
    var services: [ReferenceFrontend: ReferenceService] = [:]
    /// Frontend addresses that the host does not have: echo there is ours.
    var wholeAddresses: Set<IPAddress> = []
    let link: LinkAddress
    /// The modes that the program has.
    let modes: Set<Mode>
    /// Whether it has IPv6 as well.
    let hasIPv6: Bool
    let snatPorts: Set<UInt16>
    let timeouts: ReferenceTimeouts
    let maglevSeed: UInt64
    /// `--snat-addresses`; none of a family: the backend's own source.
    var snatAddresses: [IPAddress] = []
    /// `--bpf-lb-rss-ipv4-src-cidr` and its IPv6 fellow; none of a family: the backend's own source.
    var outerSources: [IPPrefix] = []
    /// The tick of now.
    var now: UInt32 = 1_000_000

    var connections: [Int: ReferenceConnection] = [:]
    var forward: [ReferenceTuple: ReferenceFlow] = [:]
    var replies: [ReferenceTuple: ReferenceFlow] = [:]
    var fragments: [ReferenceFragmentKey: ReferenceFragment] = [:]
    /// Frontends, and the addresses that the balancer sends from.
    var ourAddresses: Set<IPAddress> = []
    /// Backends that connections name, those that have left included.
    var backends: [ReferenceBackendKey: ReferenceBackend] = [:]
    var begun = 0
    /// A SNAT connection that has just begun without a packet that tells its port.
    var portless: Int?
    /// Which packet's fragments leave with an identification.
    var drawn: [ReferenceFragmentKey: ReferenceFragmentKey] = [:]

    init(
        link: LinkAddress, modes: Set<Mode>, hasIPv6: Bool, snatPorts: Set<UInt16>, timeouts: ReferenceTimeouts,
        maglevSeed: UInt64
    ) {
        self.link = link
        self.modes = modes
        self.hasIPv6 = hasIPv6
        self.snatPorts = snatPorts
        self.timeouts = timeouts
        self.maglevSeed = maglevSeed
    }

    /// `service update`.
    mutating func serve(_ service: ReferenceService) {
        services[service.frontend] = service
        for (key, var old) in backends where key.frontend == service.frontend {
            old.takesConnections = false
            old.isInMaintenance = false
            backends[key] = old
        }
        for backend in service.backends { backends[service.key(of: backend)] = backend }
        ourAddresses.insert(service.frontend.address)
        ourAddresses.formUnion(service.backends.map(\.hop.source))
    }

    /// Ticks without a packet.
    mutating func pass(_ ticks: UInt32) {
        now &+= ticks
        // The program's fragments are not made older by the tests.
        for key in fragments.keys { fragments[key]?.stamp &+= ticks }
    }

    /// What becomes of a frame; `seen` is what the program made of it.
    mutating func receive(_ frame: [UInt8], seen: Outcome) -> ReferenceOutcome {
        let pass = ReferenceOutcome(verdict: .pass, frame: frame, way: "pass")
        guard frame.count >= 14, LinkAddress(octets: frame[..<6]) == link else { return pass }
        let isIPv6: Bool
        switch frame[12...13] {
        case [0x08, 0x00] where frame.count >= 34: isIPv6 = false
        case [0x86, 0xdd] where frame.count >= 54 && hasIPv6: isIPv6 = true
        default: return pass
        }
        let bytes = Array(frame[14...])
        let place = isIPv6 ? 24..<40 : 16..<20
        let arrival = Arrival(
            frame: frame, linkSource: LinkAddress(octets: frame[6..<12])!, isIPv6: isIPv6,
            destination: IPAddress(octets: Array(bytes[place])), seen: seen)
        guard
            ourAddresses.contains(arrival.destination) || snatAddresses.contains(arrival.destination)
                || outerSources.contains(where: { $0.contains(arrival.destination) })
        else { return pass }
        do {
            let datagram = try isIPv6 ? Datagram(ipv6: bytes) : Datagram(ipv4: bytes)
            return try decide(datagram, arrival) ?? pass
        } catch {
            return refused(error, arrival) ?? pass
        }
    }
}

/// One frame on its way through the model.
struct Arrival {
    let frame: [UInt8]
    let linkSource: LinkAddress
    let isIPv6: Bool
    let destination: IPAddress
    let seen: Outcome

    var bytes: [UInt8] { Array(frame[14...]) }
}

/// Idle ticks after which something is forgotten.
struct ReferenceTimeouts {
    var syn, established, closing, udp, fragment: UInt32

    func of(_ state: ConnectionState) -> UInt32 {
        switch state {
        case .syn: syn
        case .established: established
        case .closing: closing
        case .active: udp
        }
    }
}

extension ReferenceService {
    func key(of backend: ReferenceBackend) -> ReferenceBackendKey {
        ReferenceBackendKey(frontend: frontend, endpoint: Endpoint(backend.address, port: backend.port))
    }

    func serves(_ client: IPAddress) -> Bool {
        clients.isEmpty || clients.contains { $0.contains(client) } != refusesClients
    }
}

// MARK: Which packets are ours

extension ReferenceBalancer {
    /// The service at an address and port, else the one on all of the address's ports.
    func service(_ address: IPAddress, _ port: UInt16, _ transport: UInt8) -> ReferenceService? {
        services[ReferenceFrontend(address: address, port: port, transport: transport)]
            ?? services[ReferenceFrontend(address: address, port: 0, transport: transport)]
    }

    /// What cannot be forwarded is dropped where it is for a frontend; nil: it passes.
    func refused(_ why: Unreadable, _ arrival: Arrival) -> ReferenceOutcome? {
        let reason: String
        switch why {
        case .malformed: reason = "malformed"
        case .routeOption: reason = "ip_options"
        case .extensionHeader: reason = "ipv6_extension"
        }
        return refused(reason, at: arrival.destination, legible(arrival))
    }

    func refused(_ reason: String, at address: IPAddress, _ legible: Legible) -> ReferenceOutcome? {
        let isOurs =
            switch legible {
            case .ports(let transport, let ports): service(address, ports.destination, transport) != nil
            case .nothing: wholeAddresses.contains(address)
            case .otherProtocol: false
            }
        return isOurs ? .drop(reason) : nil
    }

    /// What can be read of a packet whose headers are not what they should be.
    enum Legible {
        case ports(UInt8, Ports)
        case nothing
        /// No frontend has a service of this protocol.
        case otherProtocol
    }

    func legible(_ arrival: Arrival) -> Legible {
        let bytes = arrival.bytes
        if arrival.isIPv6 { return legible(ipv6: bytes) }
        let header = Int(bytes[0] & 15) * 4
        guard bytes[0] >> 4 == 4, header >= 20 else { return .nothing }
        let fragment = bytes.number(at: 6, UInt16.self)
        guard bytes[9] != 1 || fragment & 0x3fff == 0 else { return .otherProtocol }
        return legible(bytes[9], icmp: 1, bytes.dropFirst(header), isLaterFragment: fragment & 0x1fff != 0)
    }

    private func legible(ipv6 bytes: [UInt8]) -> Legible {
        guard bytes[0] >> 4 == 6 else { return .nothing }
        // The walk with all bytes of the frame, whatever length the header gives.
        guard let walked = try? Datagram(ipv6: bytes, isQuote: true) else { return .nothing }
        guard walked.fragment?.isFirst != false else { return .nothing }
        guard walked.transport != 58 || walked.fragment == nil else { return .otherProtocol }
        return legible(walked.transport, icmp: 58, walked.body[...], isLaterFragment: false)
    }

    private func legible(
        _ transport: UInt8, icmp: UInt8, _ body: ArraySlice<UInt8>, isLaterFragment: Bool
    ) -> Legible {
        switch transport {
        case 6, 17: body.count >= 4 && !isLaterFragment ? .ports(transport, Ports(Array(body.prefix(4)))) : .nothing
        case icmp: .nothing
        default: .otherProtocol
        }
    }
}
