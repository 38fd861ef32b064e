import Addresses
import Balancer
import Netlink

/// What the services need of the network around the host.
struct ServiceFacts: Sendable {
    var setup: Setup
    /// The devices that there are.
    var devices: [Device]
    var addresses: [InterfaceAddress]
    /// By backend.
    var nextHops: [IPAddress: Result<NextHop, NoRoute>]
    /// Nil where fewer are left than SNAT needs: `snatFault` says why.
    var snatPorts: SNATPorts?
    var snatFault: String?
    var sockets: [LocalSocket]
    /// `net.ipv4.ip_forward`.
    var forwards: Bool?

    func diagnoses() -> [Diagnosis] {
        ports + forwarding + frontends + backends
    }

    // MARK: SNAT ports

    /// Ports that a line names.
    private static let portsShown = 8

    private var ports: [Diagnosis] {
        guard setup.modes.contains(.snat) else { return [] }
        guard let snatPorts else { return [Diagnosis(.error, .snatPorts, snatFault ?? "no ports are left for SNAT")] }
        let range = Set(snatPorts.ports)
        let bound = sockets.filter { range.contains($0.port) && !$0.address.isLoopback }
        let taken = Set(bound.map(\.port)).sorted()
        guard !taken.isEmpty else {
            return [Diagnosis(.ok, .snatPorts, "\(range.count) ports for SNAT, no socket of this host is on one")]
        }
        let names = taken.prefix(Self.portsShown).map(String.init).joined(separator: ",")
        let more = taken.count > Self.portsShown ? " and \(taken.count - Self.portsShown) more" : ""
        let mend =
            setup.snatPorts == nil
            ? "add \(taken.count == 1 ? "it" : "them") to net.ipv4.ip_local_reserved_ports, then restart the agent"
            : "give another --snat-port-range"
        return [
            Diagnosis(
                .warning, .snatPorts,
                "SNAT may use port\(taken.count == 1 ? "" : "s") \(names)\(more), which sockets of this host have",
                mend: mend
            )
        ]
    }

    private var forwarding: [Diagnosis] {
        // XDP forwards by itself; only a host that is also the backends' router has to.
        guard setup.modes.contains(.dsr), devices.count > 1, forwards == false else { return [] }
        return [
            Diagnosis(
                .unknown, .forwarding,
                "net.ipv4.ip_forward is 0: DSR's answers of backends whose router is this host are dropped",
                mend: "sysctl -w net.ipv4.ip_forward=1 if it is")
        ]
    }

    // MARK: Frontends

    private var frontends: [Diagnosis] {
        let own = Set(addresses.map(\.address))
        var (mine, routed): (Int, Int) = (0, 0)
        var silent: [Diagnosis] = []
        for address in Set(setup.services.map(\.frontend.endpoint.address)).sorted() {
            if own.contains(address) {
                mine += 1
            } else if let device = device(onLinkWith: address) {
                let question = address.isIPv6 ? "NDP" : "ARP"
                silent.append(
                    Diagnosis(
                        .warning, .frontend,
                        "frontend \(address) is on the subnet of \(device.name) and no address of this host: it answers no \(question) for it",
                        mend: "ip address add \(address)/\(address.bitWidth) dev \(device.name)"))
            } else {
                routed += 1
            }
        }
        var diagnoses = silent
        if mine > 0 {
            diagnoses.append(
                Diagnosis(.ok, .frontend, "\(counted(mine, "frontend address")) of this host"))
        }
        if routed > 0 {
            diagnoses.append(
                Diagnosis(
                    .unknown, .frontend,
                    "\(counted(routed, "frontend address")) that others have to route to this host",
                    mend: "see to the routes on the routers in front of it"))
        }
        return diagnoses
    }

    private func device(onLinkWith address: IPAddress) -> Device? {
        for own in addresses where own.address.isIPv6 == address.isIPv6 && own.prefixLength < own.address.bitWidth {
            guard let prefix = IPPrefix(around: own.address, length: own.prefixLength), prefix.contains(address),
                let device = devices.first(where: { $0.index == UInt32(own.interface) })
            else { continue }
            return device
        }
        return nil
    }

    // MARK: Backends

    private var backends: [Diagnosis] {
        var reached = 0
        var faults: [Diagnosis] = []
        for (address, result) in nextHops.sorted(by: { $0.key < $1.key }) {
            switch result {
            case .success(let hop) where hop.linkAddress != nil: reached += 1
            case .success(let hop): faults.append(unresolved(address, hop))
            case .failure(let reason):
                faults.append(Diagnosis(.error, .backend, reason.text("backend \(address)", address, devices: devices)))
            }
        }
        guard reached > 0 else { return faults }
        return faults + [
            Diagnosis(.ok, .backend, "\(counted(reached, "backend address")) with a route and a link address")
        ]
    }

    private func unresolved(_ backend: IPAddress, _ hop: NextHop) -> Diagnosis {
        let via = hop.neighbour == backend ? "backend \(backend)" : "\(hop.neighbour), the way to backend \(backend),"
        let device = devices.first { $0.index == hop.interface }?.name ?? ""
        // Without an agent nobody may have asked for it.
        return setup.attached == nil
            ? Diagnosis(
                .unknown, .backend, "\(via) has no link address yet", mend: "ping -c 1 \(hop.neighbour) asks for it")
            : Diagnosis(
                .warning, .backend, "\(via) has no link address: it does not answer on \(device)",
                mend: "see whether it is up and on this link")
    }

    private func counted(_ number: Int, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(noun)es"
    }
}
