import Addresses
import BPF
import Balancer
import CDataplane
import Glibc

/// The XDP program on its devices, and its maps. It carries decisions out and makes none.
final class Dataplane {
    let clock: Clock
    private(set) var maps: DataplaneMaps
    private(set) var attachments: [Attachment] = []
    /// What the maps hold.
    private(set) var contents = MapContents()
    private var program: PacketProgram
    private let options: AgentOptions
    private let pins: Pins?
    private let jiffies: JiffiesClock
    private var config: l4lb_config
    private var tables: [UInt16: BPFMap] = [:]

    /// Loads and attaches. `pins`: where the packet path is to outlive the agent. `old`: what an earlier one has left
    /// there, whose connections go on; its program is replaced when everything else is ready.
    init(
        options: AgentOptions, devices: [Device], paths: Paths, compiler: Compiler, snatPorts: SNATPorts,
        network: inout HostNetwork, pins: Pins? = nil, old: AdoptedPath? = nil
    ) throws {
        self.options = options
        self.pins = pins
        jiffies = try JiffiesClock(compiler: compiler)
        let first = try jiffies.reading()
        let program = try PacketProgram(paths: paths, compiler: compiler, maglevSize: options.maglevSize)
        clock = Clock(hertz: try jiffies.hertz(since: first))
        self.program = program
        let sizes = MapSizes(mapMax: options.mapMax, connections: options.flowTableSize)
        config = l4lb_config(options: options, clock: clock, records: sizes.records, snatPorts: snatPorts)
        if let old {
            (config.flow_seed, config.flow_seed6) = (old.config.flow_seed, old.config.flow_seed6)
            maps = try DataplaneMaps(old.maps, sizes: sizes, ipv6: old.hasIPv6, adopted: true)
            (contents, tables) = try maps.read()
            // Whoever listened to drops has gone with the agent.
            try maps.monitor.update(UInt32(0), l4lb_monitor())
        } else {
            maps = try program.createMaps(sizes, config: config)
        }
        try maps.snatPorts.update(UInt32(0), elements: snatPorts.networkOrder)
        for (place, device) in devices.enumerated() {
            try maps.devices.update(
                UInt32(place), l4lb_device(ifindex: device.index, mac: device.address.octetTuple, pad: 0))
        }
        let loaded = try devices.enumerated().map { place, device in
            try program.load(maps: &maps, config: config(of: device, place))
        }
        try keepMaps()
        for (device, program) in zip(devices, loaded) {
            if let (link, running) = old?.links[device.name] {
                attachments.append(try Attachment(program, adopting: link, of: device, from: running))
                continue
            }
            let attachment = try Attachment(program, to: device, acceleration: options.acceleration) {
                network.xdpProgram(of: device.name)
            }
            if let pins { try attachment.keep(pins) }
            attachments.append(attachment)
        }
        // Devices that the user has left out.
        for name in (old?.links ?? [:]).keys where !devices.contains(where: { $0.name == name }) {
            pins?.remove(link: name)
        }
    }

    private func keepMaps() throws {
        try pins?.keep(maps.all + (maps.ipv6?.all ?? []))
    }

    /// The paths that the running program has.
    var paths: Paths { program.paths }

    /// Ports that SNAT may use from one address.
    var snatPortCount: Int { Int(config.snat_port_count) }

    /// A device has another link address: its program is loaded anew, as it is a constant there.
    func setAddress(_ address: LinkAddress, place: Int) throws {
        attachments[place].device.address = address
        let device = attachments[place].device
        try maps.devices.update(
            UInt32(place), l4lb_device(ifindex: device.index, mac: address.octetTuple, pad: 0))
        try attachments[place].replace(with: try program.load(maps: &maps, config: config(of: device, place)))
    }

    private func config(of device: Device, _ place: Int) -> l4lb_config {
        var config = config
        config.ifindex = device.index
        config.mac = device.address.octetTuple
        config.device = UInt8(place)
        return config
    }

    /// Puts a program with other paths in the place of the one that runs, over the same maps. Each
    /// packet meets one or the other. Where a device refuses, all go back to the old program.
    func replace(with program: PacketProgram) throws {
        let loaded = try attachments.enumerated().map { place, attachment in
            try program.load(maps: &maps, config: config(of: attachment.device, place))
        }
        try keepMaps()
        let old = attachments.map(\.program)
        do {
            for place in attachments.indices { try attachments[place].replace(with: loaded[place]) }
        } catch {
            for place in attachments.indices where attachments[place].program.id != old[place].id {
                try attachments[place].replace(with: old[place])
            }
            throw error
        }
        self.program = program
    }

    /// What a program that writes into no map says of a frame that comes in by a device.
    func finding(of frame: [UInt8], by program: PacketProgram, place: Int) throws(BPFError) -> Finding {
        let device = attachments[place].device
        let loaded = try program.load(maps: &maps, config: config(of: device, place))
        return Finding(try loaded.testRun(frame, interface: device.index).verdict)
    }

    /// Takes the program off its devices.
    func detach() {
        attachments = []
        pins?.removeAll()
    }

    // MARK: Maps

    func apply(_ edits: [Edit]) throws(BPFError) {
        try maps.apply(edits, to: &contents, tables: &tables)
    }

    // MARK: Reading

    func snapshot() throws(BPFError) -> FlowSnapshot {
        let flows = maps.readFlows()
        return FlowSnapshot(
            flows: flows, now: clock.tick(jiffies: try jiffies.jiffies()), clock: clock, timeouts: options.timeouts)
    }

    /// Frees the slots of connections that have ended; what they carried is kept.
    func collect(_ snapshot: FlowSnapshot) {
        let offset = { (field: PartialKeyPath<l4lb_totals>) in MemoryLayout<l4lb_totals>.offset(of: field)! }
        for (place, flow) in snapshot.flows where snapshot.isCollectable(flow, at: place) {
            guard let raw = maps.free(place, stamp: flow.stamp) else { continue }
            if flow.kind != .reply { maps.totals.add(1, Int(raw.backend), offset: offset(\.connections)) }
            let fields: (PartialKeyPath<l4lb_totals>, PartialKeyPath<l4lb_totals>) =
                flow.kind == .reply ? (\.reply_packets, \.reply_bytes) : (\.packets, \.bytes)
            maps.totals.add(raw.packets, Int(raw.backend), offset: offset(fields.0))
            maps.totals.add(raw.bytes, Int(raw.backend), offset: offset(fields.1))
        }
    }

    /// To be called after each collection. Waits some milliseconds where an index gets another size.
    func settle(_ census: FlowCensus) {
        maps.settle(slots: census.table.slots, slots6: census.table6.slots)
    }

    func totals(of indices: some Sequence<UInt16>) -> [UInt16: l4lb_totals] {
        Dictionary(uniqueKeysWithValues: indices.map { ($0, maps.totals[Int($0)]) })
    }

    func forgetTotals(of index: UInt16) {
        maps.totals.store(l4lb_totals(), Int(index))
    }

    func counter(_ counter: UInt32) throws(BPFError) -> UInt64 {
        try maps.counters.sums(counter)?.first ?? 0
    }

    /// Drops of one service by reason; those that are not zero.
    func drops(of service: UInt16) throws(BPFError) -> [DropReason: UInt64] {
        guard let sums = try maps.serviceDrops.sums(UInt32(service)) else { return [:] }
        var drops: [DropReason: UInt64] = [:]
        for reason in DropReason.allCases where sums[Int(reason.counter)] > 0 {
            drops[reason] = sums[Int(reason.counter)]
        }
        return drops
    }
}

extension l4lb_config {
    init(options: AgentOptions, clock: Clock, records: Int, snatPorts: SNATPorts) {
        self.init()
        var random = SystemRandomNumberGenerator()
        flow_seed = (random.next(), random.next(), random.next(), random.next(), random.next())
        layout = UInt32(L4LB_LAYOUT)
        maglev_size = UInt32(options.maglevSize)
        maglev_seed = options.maglevSeed
        self.records = UInt32(records)
        clock_shift = clock.shift
        let ticks = { (state: ConnectionState) in options.timeouts.ticks(state, clock: clock) }
        timeouts = (ticks(.syn), ticks(.established), ticks(.closing), ticks(.active))
        port_rest = clock.ticks(Timeouts.portRest)
        flow_seed6 = (
            random.next(), random.next(), random.next(), random.next(), random.next(), random.next(), random.next(),
            random.next()
        )
        fragment_ticks = clock.ticks(30)
        snat_port_count = UInt32(snatPorts.ports.count)
        set(options.sources)
    }
}
