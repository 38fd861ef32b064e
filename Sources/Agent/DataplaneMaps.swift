import BPF
import Balancer
import CDataplane

/// The sizes of the maps that the user chooses.
struct MapSizes: Sendable {
    let mapMax: Int
    /// Sets of the flow table, a power of two.
    let sets: Int

    /// Two slots for each SNAT connection, and half of the slots free, so that a set that is full
    /// stays rare up to the size that the user asked for.
    init(mapMax: Int, connections: Int) {
        self.mapMax = mapMax
        var sets = Int(L4LB_OCCUPANCY_SETS)
        while sets * Int(L4LB_SET_SLOTS) < connections * 4 { sets *= 2 }
        self.sets = sets
    }

    var slots: Int { sets * Int(L4LB_SET_SLOTS) }
    var flowTableBytes: Int { sets * MemoryLayout<l4lb_flow_set>.stride }
    var flowTable6Bytes: Int { sets * MemoryLayout<l4lb_flow_set6>.stride }

    var entries: [(String, Int)] {
        [
            // New entries come before old ones go, so that these two need room for both.
            ("services", mapMax * 2), ("addresses", mapMax * 2), ("service_drops", mapMax * 2),
            ("backends", mapMax), ("totals", mapMax), ("flows", sets),
            ("occupancy", setGroups), ("spills", setGroups),
        ]
    }

    var ipv6Entries: [(String, Int)] {
        [("flows6", sets), ("occupancy6", setGroups), ("spills6", setGroups)]
    }

    private var setGroups: Int { sets / Int(L4LB_OCCUPANCY_SETS) }
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

    init(_ object: borrowing BPFObject, sizes: MapSizes, hash: FlowHash, ipv6: Bool) throws(BPFError) {
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
        let flows = try object.loadedMap("flows")
        let occupancy = try object.loadedMap("occupancy")
        let spills = try object.loadedMap("spills")
        let totals = try object.loadedMap("totals")
        // The program's own, which nobody else reads.
        let affinity = try object.loadedMap("affinity")
        let fragments = try object.loadedMap("fragments")
        let fragmentIDs = try object.loadedMap("fragment_ids")
        let pressure = try object.loadedMap("pressure")
        flowTable = try FlowTable(flows: flows, occupancy: occupancy, spills: spills, sets: sizes.sets, hash: hash)
        self.totals = try MappedArray(totals, elements: sizes.mapMax)
        all = [
            services, backends, maglev, addresses, filter, sourceRanges, devices, counters, snatPorts, snatAddresses,
            budgets, serviceDrops, monitor, dropSamples, flows, occupancy, totals, affinity, fragments, fragmentIDs,
            spills, pressure,
        ]
        self.ipv6 = ipv6 ? try IPv6Maps(object, sizes: sizes, hash: hash) : nil
    }

    /// Both families' flows.
    func readFlows() -> [FlowPlace: Flow] {
        var found: [FlowPlace: Flow] = [:]
        for (slot, flow) in flowTable.read() { found[FlowPlace(slot)] = flow }
        for (slot, flow) in ipv6?.flowTable.read() ?? [:] { found[FlowPlace(slot, isIPv6: true)] = flow }
        return found
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

    init(_ object: borrowing BPFObject, sizes: MapSizes, hash: FlowHash) throws(BPFError) {
        let flows = try object.loadedMap("flows6")
        let occupancy = try object.loadedMap("occupancy6")
        let spills = try object.loadedMap("spills6")
        flowTable = try FlowTable(flows: flows, occupancy: occupancy, spills: spills, sets: sizes.sets, hash: hash)
        all = [flows, occupancy, spills]
    }
}
