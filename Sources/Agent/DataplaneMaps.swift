import BPF
import Balancer
import CDataplane

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

    init(_ object: borrowing BPFObject, sizes: MapSizes, ipv6: Bool) throws(BPFError) {
        self.sizes = sizes
        services = try object.loadedMap("services")
        backends = try object.loadedMap("backends")
        maglev = try object.loadedMap("maglev")
        addresses = try object.loadedMap("addresses")
        filter = try object.loadedMap("filter")
        sourceRanges = try object.loadedMap("source_ranges")
        devices = try object.loadedMap("devices")
        counters = try object.loadedMap("counters")
        snatPorts = try object.loadedMap("snat_ports")
        snatAddresses = try object.loadedMap("snat_addresses")
        budgets = try object.loadedMap("budgets")
        serviceDrops = try object.loadedMap("service_drops")
        monitor = try object.loadedMap("monitor")
        dropSamples = try object.loadedMap("drop_samples")
        let flowIndex = try object.loadedMap("flow_index")
        let flows = try object.loadedMap("flows")
        let buckets = try object.loadedMap("buckets")
        let used = try object.loadedMap("used")
        let kept = try object.loadedMap("kept")
        let totals = try object.loadedMap("totals")
        // The program's own, which nobody else reads.
        let affinity = try object.loadedMap("affinity")
        let fragments = try object.loadedMap("fragments")
        let fragmentIDs = try object.loadedMap("fragment_ids")
        let hands = try object.loadedMap("hands")
        flowTable = try FlowTable(
            flows: flows, used: used, kept: kept,
            index: FlowIndex(buckets: buckets, shape: flowIndex, isIPv6: false, size: sizes.index),
            records: sizes.records)
        self.totals = try MappedArray(totals, elements: sizes.mapMax)
        all = [
            services, backends, maglev, addresses, filter, sourceRanges, devices, counters, snatPorts, snatAddresses,
            budgets, serviceDrops, monitor, dropSamples, flowIndex, flows, buckets, used, kept, totals, affinity,
            fragments, fragmentIDs, hands,
        ]
        self.ipv6 = ipv6 ? try IPv6Maps(object, sizes: sizes) : nil
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

    /// `flow_index` is every program's: it has a place for each family.
    init(_ object: borrowing BPFObject, sizes: MapSizes) throws(BPFError) {
        let flowIndex = try object.loadedMap("flow_index")
        let flows = try object.loadedMap("flows6")
        let buckets = try object.loadedMap("buckets6")
        let used = try object.loadedMap("used6")
        let kept = try object.loadedMap("kept6")
        flowTable = try FlowTable(
            flows: flows, used: used, kept: kept,
            index: FlowIndex(buckets: buckets, shape: flowIndex, isIPv6: true, size: sizes.index),
            records: sizes.records)
        all = [flows, buckets, used, kept]
    }
}
