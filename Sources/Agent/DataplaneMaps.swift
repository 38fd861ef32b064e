import BPF
import Balancer
import CDataplane
import Glibc

/// The sizes of the maps that the user chooses.
struct MapSizes: Sendable {
    let mapMax: Int
    /// Connections that a flow table has room for, a power of two: words of bits are whole.
    let records: Int
    let index: IndexSize

    init(mapMax: Int, connections: Int) {
        self.mapMax = mapMax
        var records = 64
        while records < connections { records *= 2 }
        self.records = records
        index = IndexSize(records: records)
    }

    /// Two for each connection, as SNAT needs them.
    var slots: Int { records * 2 }
    private var bitWords: Int { records / 64 }

    var flowTableBytes: Int { slots * MemoryLayout<l4lb_flow>.stride + indexBytes }
    var flowTable6Bytes: Int { slots * MemoryLayout<l4lb_flow6>.stride + indexBytes }

    /// With the bits of both kinds.
    private var indexBytes: Int {
        index.most * MemoryLayout<l4lb_bucket>.stride + 2 * bitWords * MemoryLayout<UInt64>.stride
    }

    var entries: [(String, Int)] {
        [
            // New entries come before old ones go, so that these two need room for both.
            ("services", mapMax * 2), ("addresses", mapMax * 2), ("service_drops", mapMax * 2),
            ("backends", mapMax), ("totals", mapMax), ("flows", slots), ("buckets", index.most),
            ("used", bitWords), ("kept", bitWords),
        ]
    }

    var ipv6Entries: [(String, Int)] {
        [("flows6", slots), ("buckets6", index.most), ("used6", bitWords), ("kept6", bitWords)]
    }
}

/// Every map of the program, each opened once.
struct DataplaneMaps {
    let sizes: MapSizes
    let services, backends, maglev, addresses, filter, sourceRanges, devices, counters, snatPorts: BPFMap
    let snatAddresses, budgets, serviceDrops, monitor, dropSamples: BPFMap
    let flowTable: FlowTable<l4lb_flow>
    let totals: MappedArray<l4lb_totals>
    /// Those that every program has.
    let all: [BPFMap]
    /// Made with the first program that needs them.
    var ipv6: IPv6Maps?

    static let names = [
        "services", "backends", "maglev", "addresses", "filter", "source_ranges", "devices", "counters", "snat_ports",
        "snat_addresses", "budgets", "service_drops", "monitor", "drop_samples", "flow_index", "flows", "buckets",
        "used",
        "kept", "totals",
        // The program's own, which nobody else reads.
        "affinity", "fragments", "fragment_ids", "hands",
    ]

    /// `adopted`: they have been at work under an earlier agent.
    init(_ maps: MapSet, sizes: MapSizes, ipv6: Bool, adopted: Bool = false) throws(BPFError) {
        self.sizes = sizes
        services = try maps["services"]
        backends = try maps["backends"]
        maglev = try maps["maglev"]
        addresses = try maps["addresses"]
        filter = try maps["filter"]
        sourceRanges = try maps["source_ranges"]
        devices = try maps["devices"]
        counters = try maps["counters"]
        snatPorts = try maps["snat_ports"]
        snatAddresses = try maps["snat_addresses"]
        budgets = try maps["budgets"]
        serviceDrops = try maps["service_drops"]
        monitor = try maps["monitor"]
        dropSamples = try maps["drop_samples"]
        let index = try FlowIndex(
            buckets: try maps["buckets"], shape: try maps["flow_index"], isIPv6: false, size: sizes.index,
            adopted: adopted)
        flowTable = try FlowTable(
            flows: try maps["flows"], used: try maps["used"], kept: try maps["kept"], index: index,
            records: sizes.records)
        totals = try MappedArray(try maps["totals"], elements: sizes.mapMax)
        var all: [BPFMap] = []
        for name in Self.names { all.append(try maps[name]) }
        self.all = all
        self.ipv6 = ipv6 ? try IPv6Maps(maps, sizes: sizes, adopted: adopted) : nil
        if adopted { finishMoving() }
    }

    /// An earlier agent may have ended while it gave an index another size.
    private func finishMoving() {
        flowTable.index.finishMoving(use: flowTable.use(of:))
        if let ipv6 { ipv6.flowTable.index.finishMoving(use: ipv6.flowTable.use(of:)) }
    }

    /// Both families' flows.
    func readFlows() -> [FlowPlace: Flow] {
        var found: [FlowPlace: Flow] = [:]
        for (slot, flow) in flowTable.read() { found[FlowPlace(slot)] = flow }
        for (slot, flow) in ipv6?.flowTable.read() ?? [:] { found[FlowPlace(slot, isIPv6: true)] = flow }
        return found
    }

    /// Makes the tables fit what they hold: see `FlowTable.settle`.
    func settle(slots: Int, slots6: Int) {
        flowTable.settle(slots: slots)
        ipv6?.flowTable.settle(slots: slots6)
    }

    /// Frees a slot unless its flow has gone on meanwhile; gives back what it had counted.
    func free(_ place: FlowPlace, stamp: UInt32) -> l4lb_flow? {
        place.isIPv6
            ? ipv6?.flowTable.free(place.slot, stamp: stamp) : flowTable.free(place.slot, stamp: stamp)
    }
}

/// The maps that only a program with IPv6 has.
struct IPv6Maps {
    let flowTable: FlowTable<l4lb_flow6>
    let all: [BPFMap]

    static let names = ["flows6", "buckets6", "used6", "kept6"]

    /// `flow_index` is every program's: it has a place for each family.
    init(_ maps: MapSet, sizes: MapSizes, adopted: Bool = false) throws(BPFError) {
        let index = try FlowIndex(
            buckets: try maps["buckets6"], shape: try maps["flow_index"], isIPv6: true, size: sizes.index,
            adopted: adopted)
        flowTable = try FlowTable(
            flows: try maps["flows6"], used: try maps["used6"], kept: try maps["kept6"], index: index,
            records: sizes.records)
        var all: [BPFMap] = []
        for name in Self.names { all.append(try maps[name]) }
        self.all = all
    }
}

/// Maps by name: of a loaded program, or such as an earlier agent has left.
struct MapSet {
    private var maps: [String: BPFMap]

    init(_ maps: [String: BPFMap]) { self.maps = maps }

    init(_ object: borrowing BPFObject, ipv6: Bool) throws(BPFError) {
        maps = [:]
        for name in DataplaneMaps.names + (ipv6 ? IPv6Maps.names : []) { maps[name] = try object.loadedMap(name) }
    }

    subscript(name: String) -> BPFMap {
        get throws(BPFError) {
            guard let map = maps[name] else { throw BPFError("there is no map \(name)", errno: ENOENT) }
            return map
        }
    }

    var hasIPv6: Bool { IPv6Maps.names.allSatisfy { maps[$0] != nil } }
    /// Whether none is missing, as where an agent ended before it had made all of them.
    var isWhole: Bool { DataplaneMaps.names.allSatisfy { maps[$0] != nil } }
}
