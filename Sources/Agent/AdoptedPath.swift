import BPF
import Balancer
import CDataplane

/// A packet path that an earlier agent has left at work: its maps, its links, and the constants of its program, the
/// flow table's secret seeds among them.
struct AdoptedPath {
    let maps: MapSet
    /// By the name of the device.
    let links: [String: (link: XDPLink, program: BPFProgram)]
    let config: l4lb_config

    /// Nil where nothing is at work: what an agent that ended early has left is taken away. Nothing changes where it
    /// throws.
    init?(_ pins: Pins, devices: [Device], options: AgentOptions, network: inout HostNetwork) throws {
        let maps: MapSet
        var links: [String: (link: XDPLink, program: BPFProgram)] = [:]
        var gone: [String] = []
        do {
            maps = MapSet(try pins.maps())
            for name in pins.devices {
                let acceleration: XDPLink.Acceleration = network.xdpIsNative(name) ? .native : .generic
                let link = try pins.link(of: name, acceleration: acceleration)
                let target = try link.target()
                let now = devices.first { $0.name == name }
                guard target.interface != 0, now == nil || now?.index == target.interface else {
                    gone.append(name)
                    continue
                }
                links[name] = (link, try BPFProgram(id: target.programID))
            }
        }
        guard let (_, program) = links.values.first else {
            pins.clear()
            return nil
        }
        // Whose it is comes first: another version's maps are others.
        config = try Self.config(of: program, root: pins.root)
        guard maps.isWhole else {
            throw AgentError(
                "the packet path at \(pins.root) is at work, but not all of its maps have their names in \(pins.root)/maps any more: end it with 'l4lb detach' (its connections end with it)"
            )
        }
        try Self.check(config, maps: maps, options: options, root: pins.root)
        try Self.check(devices, links: links, places: try maps["devices"].entries(UInt32(0), l4lb_device()))
        self.maps = maps
        self.links = links
        for name in gone { pins.remove(link: name) }
    }

    static func config(of program: BPFProgram, root: String) throws -> l4lb_config {
        guard let config = try program.constants(".rodata.config", initial: l4lb_config()),
            config.layout == UInt32(L4LB_LAYOUT)
        else {
            throw AgentError(
                "the packet path at \(root) belongs to another version of l4lb, which this one cannot take over: start that version again, or end its packet path with 'l4lb detach' (its connections end with it)"
            )
        }
        return config
    }

    /// Sizes of maps that are in use cannot be changed.
    private static func check(_ config: l4lb_config, maps: MapSet, options: AgentOptions, root: String) throws {
        let sizes = MapSizes(mapMax: options.mapMax, connections: options.flowTableSize)
        let rows = [
            ("--flow-table-size", Int(config.records), sizes.records),
            ("--bpf-lb-map-max", try maps["backends"].maxEntries, sizes.mapMax),
            ("--bpf-lb-maglev-table-size", Int(config.maglev_size), options.maglevSize),
        ]
        if let (flag, now, wanted) = rows.first(where: { $0.1 != $0.2 }) {
            throw AgentError(
                "\(flag): the packet path at \(root) is at work with \(now), not \(wanted): give that, or end it with 'l4lb detach' (its connections end with it)"
            )
        }
    }

    /// Connections name a device by its place.
    private static func check(
        _ devices: [Device], links: [String: (link: XDPLink, program: BPFProgram)],
        places: [(key: UInt32, value: l4lb_device)]
    ) throws(AgentError) {
        for (place, device) in devices.enumerated() where links[device.name] != nil {
            guard let old = places.first(where: { $0.value.ifindex == device.index })?.key, old != place else {
                continue
            }
            throw AgentError(
                "--device: \(device.name) was number \(old + 1) before, and connections know it by that: keep the order, and add others behind it"
            )
        }
    }

    var hasIPv6: Bool { maps.hasIPv6 }
}

/// What an agent has left at work, for whoever wants to end it.
public enum PacketPath {
    /// Whether an agent, running or gone, has attached something there.
    public static func isAtWork(bpfRoot: String) -> Bool { Pins.areLinks(bpfRoot: bpfRoot) }

    /// The devices that it was attached to. Refused while an agent runs.
    public static func detach(bpfRoot: String) throws -> [String] {
        try Privileges.check()
        guard BPFMount.isBPF(bpfRoot) else {
            throw AgentError("--bpf-root: \(bpfRoot) is not a bpf filesystem: nothing can be attached there")
        }
        let pins = try Pins(bpfRoot: bpfRoot)
        let devices = pins.devices
        var network = try HostNetwork()
        let interfaces = devices.compactMap { network.index(of: $0) }
        ProbeTunnel.sweep(interfaces)
        pins.removeAll()
        try network.adoptNeighbours(on: interfaces)
        network.release(except: [])
        return devices
    }
}
