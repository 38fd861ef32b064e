import Addresses
import BPF
import Balancer
import CDataplane

/// A program under test with its maps, as the agent would have loaded and filled them for 512 services with 8
/// backends each. Nothing is attached; all is gone with it.
final class BenchTarget {
    let what: BenchProgram
    let places: BenchPlaces
    let program: BPFProgram
    /// Connections that its flow table has room for.
    let records: Int
    let maps: DataplaneMaps
    private let tables: [UInt16: BPFMap]

    /// `memory` keeps the tables of services from one target to the next.
    init(_ what: BenchProgram, options: AgentOptions, clang: Clang, clock: Clock, memory: inout PlanMemory) throws {
        self.what = what
        places = BenchPlaces(isIPv6: what.isIPv6)
        let compiled = try PacketProgram(paths: what.paths, compiler: .clang(clang), maglevSize: options.maglevSize)
        let sizes = MapSizes(mapMax: options.mapMax, connections: options.flowTableSize)
        let ports = try Sysctl.snatPorts(allowed: options.snatPorts)
        var config = l4lb_config(options: options, clock: clock, records: sizes.records, snatPorts: ports)
        config.ifindex = BenchPlaces.interface
        config.mac = BenchPlaces.ours.octetTuple
        var maps = try compiled.createMaps(sizes, config: config)
        try maps.snatPorts.update(UInt32(0), elements: ports.networkOrder)
        try maps.devices.update(
            UInt32(0), l4lb_device(ifindex: config.ifindex, mac: config.mac, pad: 0))
        program = try compiled.load(maps: &maps, config: config)

        let state = try places.state(mode: what.mode)
        let plan = try Plan(
            PlanInput(
                state: state, nextHops: places.nextHops, hostAddresses: [places.balancer],
                maglevSize: options.maglevSize, maglevSeed: options.maglevSeed, tick: clock.tick),
            indices: BackendIndices(capacity: options.mapMax), previous: memory)
        memory.remember(plan, of: state)
        var contents = MapContents()
        var tables: [UInt16: BPFMap] = [:]
        try maps.apply(plan.contents.edits(from: contents), to: &contents, tables: &tables)
        records = sizes.records
        self.maps = maps
        self.tables = tables
    }

    /// What the agent does within the next second: it makes the flow table fit what it holds. Without it a bench would
    /// measure a state that passes: an index as small as it is at first, and a search for room where none is left.
    func settle() {
        maps.settle(slots: maps.flowTable.slotsInUse(), slots6: maps.ipv6?.flowTable.slotsInUse() ?? 0)
    }

    /// Over all reasons.
    func drops() throws(BPFError) -> UInt64 {
        var sum: UInt64 = 0
        for reason in DropReason.allCases { sum += try count(reason.counter) }
        return sum
    }

    /// Reasons with a count, for an error.
    func dropNames() throws(BPFError) -> String {
        var names: [String] = []
        for reason in DropReason.allCases {
            let count = try count(reason.counter)
            if count > 0 { names.append("\(reason.rawValue) \(count)") }
        }
        return names.joined(separator: ", ")
    }

    func evictions() throws(BPFError) -> UInt64 {
        try count(EventCounter.unconfirmedEvicted.counter) + count(EventCounter.dsrEvicted.counter)
    }

    func count(_ counter: UInt32) throws(BPFError) -> UInt64 {
        try maps.counters.sums(counter)?.first ?? 0
    }
}
