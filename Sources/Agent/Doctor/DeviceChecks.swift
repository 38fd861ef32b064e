import Balancer
import Netlink

/// One device, as the kernel and the agent have it.
struct DeviceFacts: Sendable {
    enum Peer: Sendable {
        /// In another network namespace.
        case elsewhere
        case here(name: String, hasXDP: Bool, offloads: Set<Offload>?)
    }

    /// The program on it.
    enum Holder: Sendable {
        case nobody
        /// The agent that answers.
        case us(isNative: Bool)
        case packetPath
        /// Its name and id, where the kernel tells them.
        case other(name: String?, id: UInt32?)
    }

    var name: String
    /// Nil where there is none of that name.
    var link: Link?
    var holder = Holder.nobody
    /// Nil where it is no veth.
    var peer: Peer?
    var offloads: Set<Offload>?
    /// `net.ipv4.conf.DEVICE.rp_filter` and `all`: the higher one counts.
    var reversePath: Int?
    var processors = 1
    var modes: Set<Mode> = [.snat]
    /// Bytes of the largest outer header in use; 0 without DSR.
    var overhead: UInt32 = 0
    /// Whether a service has IPv6 clients.
    var hasIPv6 = false

    /// Bytes of what clients on Ethernet send at the most, and what IPv6 asks of every link (RFC 8200).
    static let usualMTU: UInt32 = 1500
    static let leastIPv6MTU: UInt32 = 1280

    func diagnoses() -> [Diagnosis] {
        guard let link else {
            return [
                Diagnosis(
                    .error, .device, "--device: there is no network interface named \(name)",
                    mend: "give one of those that 'ip link' shows")
            ]
        }
        guard let address = link.address, address != .zero else {
            return [
                Diagnosis(
                    .error, .device, "--device: \(name) is not an Ethernet device",
                    mend: "give one that has a link address")
            ]
        }
        return [state(link), holderCheck]
            + [xdpMode(link), offloadCheck, peerCheck, queues(link), mtu(link)].compactMap { $0 }
            + [reversePathCheck].compactMap { $0 }
    }

    private func state(_ link: Link) -> Diagnosis {
        guard link.isUp else {
            return Diagnosis(.error, .device, "\(name) is down", mend: "ip link set \(name) up")
        }
        guard link.hasCarrier else {
            return Diagnosis(
                .error, .device, "\(name) has no carrier", mend: "see to its cable, or set its other end up")
        }
        return Diagnosis(.ok, .device, "\(name) is up")
    }

    private var holderCheck: Diagnosis {
        let off = "ip link set dev \(name) xdp off"
        switch holder {
        case .nobody: return Diagnosis(.ok, .holder, "no XDP program is on \(name)")
        case .us: return Diagnosis(.ok, .holder, "the agent's program is on \(name)")
        case .packetPath:
            return Diagnosis(
                .warning, .holder, "an l4lb that does not answer here holds \(name)",
                mend: "name its socket with --socket, start its agent again, or end it with 'l4lb detach'")
        case .other(let program, let id):
            let who = id.map { " (\(program ?? "of another user"), id \($0))" } ?? ""
            return Diagnosis(.error, .holder, "another XDP program\(who) holds \(name)", mend: "detach it (\(off))")
        }
    }

    /// Virtual devices without native XDP (no ndo_bpf).
    private static let genericKinds: Set = ["bridge", "dummy", "vlan"]

    private func xdpMode(_ link: Link) -> Diagnosis? {
        switch holder {
        case .us(isNative: true): return Diagnosis(.ok, .xdpMode, "XDP is native on \(name)")
        case .us(isNative: false):
            if offloads?.contains(.receive) == true {
                return Diagnosis(
                    .error, .xdpMode, "XDP is generic on \(name) and GRO is on: packets are put together before it",
                    mend: "ethtool -K \(name) gro off")
            }
            return Diagnosis(
                .warning, .xdpMode, "XDP is generic on \(name), which is slower",
                mend: "--bpf-lb-acceleration=native where its driver has it")
        case .nobody, .packetPath, .other: break
        }
        if offloads?.contains(.largeReceive) == true {
            return Diagnosis(
                .error, .xdpMode, "LRO is on at \(name), with which its driver refuses native XDP",
                mend: "ethtool -K \(name) lro off")
        }
        switch link.kind {
        case "veth": return Diagnosis(.ok, .xdpMode, "\(name) is a veth, which has native XDP")
        case let kind? where Self.genericKinds.contains(kind):
            return Diagnosis(
                .warning, .xdpMode, "\(name) is a \(kind), which has no native XDP",
                mend: "give the device below it, or --bpf-lb-acceleration=generic")
        default:
            return Diagnosis(
                .unknown, .xdpMode, "whether the driver of \(name) has native XDP is known when it is attached",
                mend: "--bpf-lb-acceleration=best-effort falls back to generic")
        }
    }

    private static let harmful: Set<Offload> = [.transmitChecksum, .tcpSegmentation, .segmentation]

    private static func switches(_ offloads: Set<Offload>) -> String {
        Offload.allCases.filter(offloads.contains).map { "\($0.rawValue) off" }.joined(separator: " ")
    }

    private static func offloads(_ on: Set<Offload>?, of device: String, _ what: String) -> Diagnosis {
        guard let on else { return Diagnosis(.unknown, .offloads, "the offloads of \(device) cannot be read") }
        let bad = on.intersection(harmful)
        guard bad.isEmpty else {
            return Diagnosis(
                .warning, .offloads, "\(device), \(what), hands over unfinished packets (\(names(bad)))",
                mend: "ethtool -K \(device) \(switches(bad))")
        }
        return Diagnosis(.ok, .offloads, "\(device), \(what), hands over finished packets")
    }

    private static func names(_ offloads: Set<Offload>) -> String {
        Offload.allCases.filter(offloads.contains).map(\.rawValue).joined(separator: ", ")
    }

    private var offloadCheck: Diagnosis? {
        peer == nil ? nil : Self.offloads(offloads, of: name, "a veth")
    }

    private var peerCheck: Diagnosis? {
        switch peer {
        case nil: return nil
        case .elsewhere:
            return Diagnosis(
                .unknown, .peer, "the peer of \(name) is in another network namespace",
                mend: "see that it has an XDP program and that its tx, tso and gso are off")
        case .here(let peer, let hasXDP, let offloads):
            guard hasXDP else {
                return Diagnosis(
                    .error, .peer, "\(peer), the peer of \(name), has no XDP program: what XDP sends is lost there",
                    mend: "attach one to \(peer) that passes all packets")
            }
            return Self.offloads(offloads, of: peer, "the peer of \(name)")
        }
    }

    private func queues(_ link: Link) -> Diagnosis? {
        // A veth has no hardware that could spread packets.
        guard link.kind == nil, let queues = link.receiveQueues else { return nil }
        guard queues == 1, processors > 1 else {
            return Diagnosis(.ok, .queues, "\(name) has up to \(queues) receive queues for \(processors) processors")
        }
        return Diagnosis(
            .warning, .queues, "\(name) has 1 receive queue: 1 of \(processors) processors does all the work",
            mend: "give it more queues, or take a device that has them")
    }

    private func mtu(_ link: Link) -> Diagnosis {
        let inner = link.mtu > overhead ? link.mtu - overhead : 0
        let wanted = Self.usualMTU + overhead
        let larger = "ip link set dev \(name) mtu \(wanted), as on the whole way to the backends"
        let room = overhead > 0 ? " after DSR's outer header of \(overhead) bytes" : ""
        if hasIPv6, inner < Self.leastIPv6MTU {
            return Diagnosis(
                .error, .mtu,
                "MTU \(link.mtu) of \(name) leaves \(inner) bytes\(room), IPv6 needs \(Self.leastIPv6MTU)",
                mend: larger)
        }
        guard link.mtu >= Self.usualMTU else {
            return Diagnosis(
                .warning, .mtu, "MTU \(link.mtu) of \(name): clients are told to send at most \(inner) bytes\(room)",
                mend: larger)
        }
        if inner < Self.usualMTU {
            return Diagnosis(
                .ok, .mtu,
                "MTU \(link.mtu) of \(name): clients are told to send at most \(inner) bytes\(room), with \(wanted) they need not be"
            )
        }
        return Diagnosis(.ok, .mtu, "MTU \(link.mtu) of \(name)")
    }

    private var reversePathCheck: Diagnosis? {
        guard modes.contains(.dsr) else { return nil }
        switch reversePath {
        case nil: return Diagnosis(.unknown, .reversePath, "rp_filter of \(name) cannot be read")
        case 1:
            return Diagnosis(
                .warning, .reversePath,
                "rp_filter is strict on \(name): DSR's answers that pass here, those to health checks too, are dropped",
                mend:
                    "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.\(name.replacing(".", with: "/")).rp_filter=0"
            )
        case .some: return Diagnosis(.ok, .reversePath, "rp_filter is not strict on \(name)")
        }
    }
}
