import BPF
import Balancer
import CDataplane

/// The compiled XDP program for a set of paths, and how it gets into the kernel.
struct PacketProgram: Sendable {
    let paths: Paths
    let object: [UInt8]

    /// `isDry`: the one that writes into no map, and whose verdict is a `Finding`.
    init(paths: Paths, compiler: Compiler, maglevSize: Int, isDry: Bool = false) throws(AgentError) {
        self.paths = paths
        object = try compiler.object(.packet(paths, maglevSize: maglevSize, isDry: isDry))
    }

    /// Creates the maps, in the sizes that were asked for. The program itself is loaded once for
    /// each device, so this one is let go.
    func createMaps(_ sizes: MapSizes, config: l4lb_config) throws(BPFError) -> DataplaneMaps {
        let object = try open(sizes, config: config)
        try object.load()
        return try DataplaneMaps(try MapSet(object, ipv6: paths.ipv6), sizes: sizes, ipv6: paths.ipv6)
    }

    /// A program for one device over maps that exist. The first one with IPv6 makes that family's flow table.
    func load(maps: inout DataplaneMaps, config: l4lb_config) throws(BPFError) -> BPFProgram {
        let object = try open(maps.sizes, config: config)
        for map in maps.all { try object.reuse(map.name, map) }
        if paths.ipv6, let ipv6 = maps.ipv6 {
            for map in ipv6.all { try object.reuse(map.name, map) }
        }
        try object.load()
        if paths.ipv6, maps.ipv6 == nil { maps.ipv6 = try IPv6Maps(try MapSet(object, ipv6: true), sizes: maps.sizes) }
        return try object.program("l4lb")
    }

    private func open(_ sizes: MapSizes, config: l4lb_config) throws(BPFError) -> BPFObject {
        let object = try BPFObject(self.object)
        for (name, count) in sizes.entries + (paths.ipv6 ? sizes.ipv6Entries : []) {
            try object.setMaxEntries(name, count)
        }
        try object.setConstants(".rodata.config", config)
        return object
    }
}
