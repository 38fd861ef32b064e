import BPF
import Balancer
import CDataplane

/// The compiled XDP program for a set of paths, and how it gets into the kernel.
struct PacketProgram: Sendable {
    let paths: Set<Mode>
    let object: [UInt8]

    init(paths: Set<Mode>, clang: Clang, maglevSize: Int) throws(AgentError) {
        var macros = ["L4LB_MAGLEV_TABLE_SIZE=\(maglevSize)"]
        if paths.contains(.snat) { macros.append("L4LB_SNAT") }
        if paths.contains(.dsr) { macros.append("L4LB_DSR") }
        self.paths = paths
        object = try clang.compile("l4lb.bpf.c", macros: macros)
    }

    /// Creates the maps, in the sizes that were asked for. The program itself is loaded once for
    /// each device, so this one is let go.
    func createMaps(_ sizes: MapSizes, config: l4lb_config) throws(BPFError) -> DataplaneMaps {
        let object = try BPFObject(self.object)
        for (name, count) in sizes.entries { try object.setMaxEntries(name, count) }
        try object.setConstants(".rodata.config", config)
        try object.load()
        return try DataplaneMaps(object, sizes: sizes)
    }

    /// A program for one device over maps that exist.
    func load(maps: DataplaneMaps, config: l4lb_config) throws(BPFError) -> BPFProgram {
        let object = try BPFObject(self.object)
        for (name, count) in maps.sizes.entries { try object.setMaxEntries(name, count) }
        for map in maps.all { try object.reuse(map.name, map) }
        try object.setConstants(".rodata.config", config)
        try object.load()
        return try object.program("l4lb")
    }
}

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

    var entries: [(String, Int)] {
        [
            // New entries come before old ones go, so that these two need room for both.
            ("services", mapMax * 2), ("addresses", mapMax * 2),
            ("backends", mapMax), ("totals", mapMax), ("flows", sets),
            ("occupancy", sets / Int(L4LB_OCCUPANCY_SETS)),
        ]
    }
}

/// Every map of the program, each opened once.
struct DataplaneMaps {
    let sizes: MapSizes
    let services, backends, maglev, addresses, filter, sourceRanges, devices, counters, snatPorts: BPFMap
    let flowTable: FlowTable
    let totals: MappedArray<l4lb_totals>
    let all: [BPFMap]

    init(_ object: borrowing BPFObject, sizes: MapSizes) throws(BPFError) {
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
        let flows = try object.loadedMap("flows")
        let occupancy = try object.loadedMap("occupancy")
        let totals = try object.loadedMap("totals")
        let affinity = try object.loadedMap("affinity")
        flowTable = try FlowTable(flows: flows, occupancy: occupancy, sets: sizes.sets)
        self.totals = try MappedArray(totals, elements: sizes.mapMax)
        all = [
            services, backends, maglev, addresses, filter, sourceRanges, devices, counters, snatPorts, flows,
            occupancy, totals, affinity,
        ]
    }
}
