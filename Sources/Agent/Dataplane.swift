import Addresses
import BPF
import Balancer
import CDataplane
import Glibc

/// The XDP program on its devices, and its maps. It carries decisions out and makes none.
final class Dataplane {
    let clock: Clock
    let maps: DataplaneMaps
    private(set) var attachments: [Attachment] = []
    /// What the maps hold.
    private(set) var contents = MapContents()
    private var program: PacketProgram
    private let options: AgentOptions
    private let jiffies: JiffiesClock
    private var config: l4lb_config
    private var tables: [UInt16: BPFMap] = [:]

    init(options: AgentOptions, devices: [Device], clang: Clang, snatPorts: SNATPorts, network: inout HostNetwork)
        throws
    {
        self.options = options
        jiffies = try JiffiesClock(clang: clang)
        let first = try jiffies.reading()
        let program = try PacketProgram(paths: [options.mode], clang: clang, maglevSize: options.maglevSize)
        clock = Clock(hertz: try jiffies.hertz(since: first))
        self.program = program
        let sizes = MapSizes(mapMax: options.mapMax, connections: options.flowTableSize)
        config = l4lb_config(options: options, clock: clock, sets: sizes.sets, snatPorts: snatPorts)
        maps = try program.createMaps(sizes, config: config)
        try maps.snatPorts.update(UInt32(0), elements: snatPorts.networkOrder)
        for (place, device) in devices.enumerated() {
            try maps.devices.update(
                UInt32(place), l4lb_device(ifindex: device.index, mac: device.address.octetTuple, pad: 0))
        }
        for (place, device) in devices.enumerated() {
            let loaded = try program.load(maps: maps, config: config(of: device, place))
            attachments.append(
                try Attachment(loaded, to: device, acceleration: options.acceleration) {
                    network.xdpProgram(of: device.name)
                })
        }
    }

    /// The modes whose paths the running program has.
    var paths: Set<Mode> { program.paths }

    /// A device has another link address: its program is loaded anew, as it is a constant there.
    func setAddress(_ address: LinkAddress, place: Int) throws {
        attachments[place].device.address = address
        let device = attachments[place].device
        try maps.devices.update(
            UInt32(place), l4lb_device(ifindex: device.index, mac: address.octetTuple, pad: 0))
        try attachments[place].replace(with: try program.load(maps: maps, config: config(of: device, place)))
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
            try program.load(maps: maps, config: config(of: attachment.device, place))
        }
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

    /// Takes the program off its devices.
    func detach() {
        attachments = []
    }

    // MARK: Maps

    /// Takes the steps in their order. Where one fails, `contents` tells how far it came.
    func apply(_ edits: [Edit]) throws(BPFError) {
        var rest = edits[...]
        while let first = rest.first {
            let run = [first] + rest.dropFirst().prefix { $0.isWritten(with: first) }
            rest = rest.dropFirst(run.count)
            do {
                try write(run)
            } catch {
                // A batch is no transaction: what may be there is recorded as what nobody wants.
                for edit in run { contents.apply(edit.unknown) }
                throw error
            }
            for edit in run { contents.apply(edit) }
        }
    }

    /// One step, or several backends, tables or services, for which the kernel takes batches.
    private func write(_ edits: [Edit]) throws(BPFError) {
        var backends: (keys: [UInt32], values: [l4lb_backend]) = ([], [])
        var services: (keys: [l4lb_service_key], values: [l4lb_service]) = ([], [])
        var newTables: (keys: [UInt32], maps: [BPFMap]) = ([], [])
        for edit in edits {
            switch edit {
            case .setBackend(let index, let backend):
                backends.keys.append(UInt32(index))
                backends.values.append(backend)
            case .clearBackend(let index):
                backends.keys.append(UInt32(index))
                backends.values.append(l4lb_backend())
            case .setTable(let id, let slots):
                // A table that is in use changes in place, slot by slot: each slot is right before
                // and after.
                if let table = tables[id] {
                    try table.update(UInt32(0), elements: slots)
                } else {
                    let table = try BPFMap(arrayOf: slots.count * 2, name: "maglev_table")
                    try table.update(UInt32(0), elements: slots)
                    newTables.keys.append(UInt32(id))
                    newTables.maps.append(table)
                }
            case .removeTable(let id):
                try maps.maglev.remove(UInt32(id))
                tables[id] = nil
            case .setFilter(let filter):
                try maps.filter.update(UInt32(0), elements: filter.words)
            case .setAddress(let address):
                try maps.addresses.update(address, L4LB_ADDRESS_FRONTEND.rawValue)
            case .removeAddress(let address):
                try maps.addresses.remove(address)
            case .setSourceRange(let key):
                try maps.sourceRanges.update(key, UInt32(1))
            case .removeSourceRange(let key):
                try maps.sourceRanges.remove(key)
            case .setService(let key, let service):
                services.keys.append(key)
                services.values.append(service)
            case .removeService(let key):
                try maps.services.remove(key)
            }
        }
        try maps.backends.update(keys: backends.keys, values: backends.values)
        if !newTables.keys.isEmpty {
            try maps.maglev.update(keys: newTables.keys, maps: newTables.maps)
            for (key, map) in zip(newTables.keys, newTables.maps) { tables[UInt16(key)] = map }
        }
        try maps.services.update(keys: services.keys, values: services.values)
    }

    // MARK: Reading

    func snapshot() throws(BPFError) -> FlowSnapshot {
        let flows = maps.flowTable.read()
        return FlowSnapshot(
            flows: flows, now: clock.tick(jiffies: try jiffies.jiffies()), clock: clock, timeouts: options.timeouts)
    }

    /// Frees the slots of connections that have ended; what they carried is kept.
    func collect(_ snapshot: FlowSnapshot) {
        let offset = { (field: PartialKeyPath<l4lb_totals>) in MemoryLayout<l4lb_totals>.offset(of: field)! }
        for (slot, flow) in snapshot.flows where snapshot.isCollectable(flow, at: slot) {
            guard let raw = maps.flowTable.free(slot, stamp: flow.stamp) else { continue }
            let fields: (PartialKeyPath<l4lb_totals>, PartialKeyPath<l4lb_totals>) =
                flow.kind == .reply ? (\.reply_packets, \.reply_bytes) : (\.packets, \.bytes)
            maps.totals.add(raw.packets, Int(raw.backend), offset: offset(fields.0))
            maps.totals.add(raw.bytes, Int(raw.backend), offset: offset(fields.1))
        }
    }

    func totals(of indices: some Sequence<UInt16>) -> [UInt16: l4lb_totals] {
        Dictionary(uniqueKeysWithValues: indices.map { ($0, maps.totals[Int($0)]) })
    }

    func forgetTotals(of index: UInt16) {
        maps.totals.store(l4lb_totals(), Int(index))
    }

    func counter(_ counter: UInt32) throws(BPFError) -> UInt64 {
        try maps.counters.perProcessor(counter).reduce(0, +)
    }
}

extension l4lb_config {
    init(options: AgentOptions, clock: Clock, sets: Int, snatPorts: SNATPorts) {
        self.init()
        var random = SystemRandomNumberGenerator()
        flow_seed = (random.next(), random.next(), random.next(), random.next(), random.next())
        maglev_seed = options.maglevSeed
        set_mask = UInt32(sets - 1)
        clock_shift = clock.shift
        let ticks = { (state: ConnectionState) in options.timeouts.ticks(state, clock: clock) }
        timeouts = (ticks(.syn), ticks(.established), ticks(.closing), ticks(.active))
        port_rest = clock.ticks(Timeouts.portRest)
        snat_port_count = UInt32(snatPorts.ports.count)
    }
}

extension Edit {
    /// Whether two steps may be written as one batch.
    fileprivate func isWritten(with first: Edit) -> Bool {
        switch (self, first) {
        case (.setBackend, .setBackend), (.setTable, .setTable), (.setService, .setService): true
        default: false
        }
    }

    /// The step as it stands when nobody knows whether it was taken: the next plan takes it again,
    /// or takes it back.
    fileprivate var unknown: Edit {
        switch self {
        case .setBackend(let index, _), .clearBackend(let index): .setBackend(index, l4lb_backend())
        case .setTable(let id, _), .removeTable(let id): .setTable(service: id, [])
        case .setService(let key, _), .removeService(let key): .setService(key, l4lb_service())
        case .setFilter: .setFilter(AddressFilter())
        // These are written one at a time: one that failed was not taken.
        case .setAddress(let address): .removeAddress(address)
        case .removeAddress(let address): .setAddress(address)
        case .setSourceRange(let key): .removeSourceRange(key)
        case .removeSourceRange(let key): .setSourceRange(key)
        }
    }
}
