import Addresses
import Balancer
import Glibc
import Netlink

/// A network device that the load balancer is attached to.
public struct Device: Hashable, Sendable {
    public var name: String
    public var index: UInt32
    public var address: LinkAddress
    public var mtu: UInt32
}

/// What the kernel knows about the network: links, routes, neighbours. It asks for link addresses
/// that are missing, and remembers those that were lost: health checks decide who is dead, not ARP.
struct HostNetwork: ~Copyable {
    private var socket: NetlinkSocket
    /// Routes are looked up once, and again when the kernel tells of a change.
    private var routes: [IPAddress: Result<NextHop, NoRoute>] = [:]
    private var lastKnown: [NeighbourKey: LinkAddress] = [:]
    /// Entries that the kernel has, usable or not.
    private var present: Set<NeighbourKey> = []
    /// Entries that the kernel keeps fresh for us, to be given back at the end.
    private var managed: Set<NeighbourKey> = []
    private var kernelManages = true

    struct NeighbourKey: Hashable {
        var interface: Int32
        var address: IPAddress
    }

    init() throws(AgentError) {
        do {
            socket = try NetlinkSocket()
        } catch {
            throw AgentError("\(error)")
        }
    }

    mutating func device(_ name: String) throws(AgentError) -> Device {
        do {
            let link = try socket.link(named: name)
            guard let address = link.address, address != .zero else {
                throw AgentError("--device: \(name) is not an Ethernet device: give one that has a link address")
            }
            guard link.isUp else {
                throw AgentError("--device: \(name) is down: ip link set \(name) up")
            }
            return Device(name: name, index: UInt32(link.index), address: address, mtu: link.mtu)
        } catch let error as NetlinkError {
            throw AgentError("--device: \(error)")
        } catch let error as AgentError {
            throw error
        } catch {
            throw AgentError("--device: \(error)")
        }
    }

    /// A device as it is now; nil where it is gone.
    mutating func refreshed(_ device: Device) -> Device? {
        guard let link = try? socket.link(named: device.name), UInt32(link.index) == device.index,
            let address = link.address
        else { return nil }
        return Device(name: device.name, index: device.index, address: address, mtu: link.mtu)
    }

    /// Nil where there is no such device.
    mutating func index(of name: String) -> UInt32? {
        (try? socket.link(named: name)).map { UInt32($0.index) }
    }

    /// The program that holds a device, where one does.
    mutating func xdpProgram(of name: String) -> UInt32? {
        (try? socket.link(named: name))?.xdpProgramID
    }

    mutating func xdpIsNative(_ name: String) -> Bool {
        (try? socket.link(named: name))?.xdpIsNative ?? false
    }

    mutating func hostAddresses() throws(NetlinkError) -> Set<IPAddress> {
        Set(try socket.addresses().map(\.address))
    }

    /// SNAT can only send from what the host has: replies have to come back.
    mutating func check(_ sources: SourceAddresses, device: String) throws {
        let own = try hostAddresses()
        guard let foreign = sources.snat.first(where: { !own.contains($0) }) else { return }
        throw AgentError(
            "--snat-addresses: \(foreign) is not an address of this host: ip address add \(foreign)/\(foreign.bitWidth) dev \(device)"
        )
    }

    /// Looks at the neighbours anew.
    mutating func readNeighbours() throws(NetlinkError) {
        present = []
        for neighbour in try socket.neighbours() {
            let key = NeighbourKey(interface: neighbour.interface, address: neighbour.address)
            present.insert(key)
            if neighbour.isUsable { lastKnown[key] = neighbour.linkAddress }
        }
    }

    /// What an agent that was killed had the kernel keep fresh is this one's to give back.
    mutating func adoptNeighbours(on interfaces: [UInt32]) throws(NetlinkError) {
        for neighbour in try socket.neighbours() where neighbour.isManaged && neighbour.isOurs {
            guard interfaces.contains(UInt32(neighbour.interface)) else { continue }
            managed.insert(NeighbourKey(interface: neighbour.interface, address: neighbour.address))
        }
    }

    mutating func forgetRoutes() {
        routes = [:]
    }

    /// How packets leave towards a backend, or why they cannot.
    mutating func nextHop(to address: IPAddress, devices: [Device]) throws(NetlinkError) -> Result<NextHop, NoRoute> {
        let route: Result<NextHop, NoRoute>
        if let known = routes[address] {
            route = known
        } else {
            route = try lookUp(address, devices: devices)
            routes[address] = route
        }
        guard case .success(var hop) = route else { return route }
        hop.linkAddress = lastKnown[NeighbourKey(interface: Int32(hop.interface), address: hop.neighbour)]
        return .success(hop)
    }

    private mutating func lookUp(
        _ address: IPAddress, devices: [Device]
    ) throws(NetlinkError) -> Result<NextHop, NoRoute> {
        guard let route = try socket.route(to: address) else { return .failure(.noRoute) }
        guard route.kind != .local else { return .failure(.ourselves) }
        guard route.kind == .unicast, let interface = route.interface else { return .failure(.noRoute) }
        guard let device = devices.first(where: { $0.index == UInt32(interface) }) else {
            let name = try socket.links().first { $0.index == interface }?.name ?? "device \(interface)"
            return .failure(.otherDevice(name))
        }
        guard let source = route.source, source.isIPv6 == address.isIPv6, !source.isLinkLocal else {
            return .failure(.noSource(device.name, family: address.familyName))
        }
        let other = try socket.addresses().first {
            $0.interface == interface && $0.isGlobalScope && $0.address.isIPv6 != address.isIPv6
        }
        return .success(
            NextHop(
                interface: device.index, ourAddress: device.address, source: source, otherSource: other?.address,
                mtu: device.mtu, neighbour: route.gateway ?? address, linkAddress: nil))
    }

    /// Has the kernel resolve a neighbour and keep it fresh: packets of XDP never confirm one.
    mutating func keepFresh(_ hop: NextHop) throws(NetlinkError) {
        let key = NeighbourKey(interface: Int32(hop.interface), address: hop.neighbour)
        // An entry that somebody flushed is asked for again.
        if kernelManages, !managed.contains(key) || !present.contains(key) {
            do {
                if try socket.manage(key.address, interface: key.interface) { managed.insert(key) }
            } catch {
                guard error.errno != ENOBUFS else { throw error }
                // Before Linux 5.16; from then on the timer probes.
                kernelManages = false
            }
        }
        if !kernelManages || hop.linkAddress == nil {
            try socket.probe(key.address, interface: key.interface)
        }
    }

    /// Gives back what no backend needs any more.
    mutating func release(except needed: Set<NeighbourKey>) {
        for key in managed.subtracting(needed) {
            try? socket.unmanage(key.address, interface: key.interface)
            managed.remove(key)
        }
    }
}

/// Why a backend cannot be reached.
enum NoRoute: Error, Hashable {
    case noRoute
    case ourselves
    case otherDevice(String)
    case noSource(String, family: String)

    func text(_ backend: Endpoint, devices: [Device]) -> String {
        text("\(backend)", backend.address, devices: devices)
    }

    func text(_ backend: String, _ address: IPAddress, devices: [Device]) -> String {
        let names = devices.map(\.name).joined(separator: ",")
        return switch self {
        case .noRoute: "\(backend) cannot be reached: there is no route to it (ip route get \(address))"
        case .ourselves: "\(backend) is an address of this host: a backend has to be another host"
        case .otherDevice(let name): "\(backend) is reached by \(name), which is not one of --device=\(names)"
        case .noSource(let name, let family):
            "\(backend): \(name) has no address to reach it from: give \(name) an \(family) address"
        }
    }
}

extension IPAddress {
    /// A router would not pass a packet on that comes from such an address (RFC 4291 section 2.5.6).
    fileprivate var isLinkLocal: Bool {
        if case .v6(let address) = self { address.isLinkLocal } else { false }
    }
}
