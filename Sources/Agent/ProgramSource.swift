import Balancer

/// One of the embedded programs, with the macros that select its paths and sizes.
struct ProgramSource: Hashable, Codable, Sendable {
    let file: String
    let macros: [String]

    private static let maglevMacro = "L4LB_MAGLEV_TABLE_SIZE="

    /// `isDry`: the one that writes into no map.
    static func packet(_ paths: Paths, maglevSize: Int, isDry: Bool = false) -> Self {
        Self(
            file: "l4lb.bpf.c",
            macros: ["\(maglevMacro)\(maglevSize)"] + paths.macros + (isDry ? ["L4LB_DRY"] : []))
    }

    static let clock = Self(file: "clock.bpf.c", macros: [])
    static let probe = Self(file: "probe.bpf.c", macros: [])

    /// What an agent may ask for with this size of Maglev tables.
    static func all(maglevSize: Int) -> [Self] {
        let modes: [Set<Mode>] = Mode.allCases.map { [$0] } + [Set(Mode.allCases)]
        let paths = modes.flatMap { [Paths($0), Paths($0, ipv6: true)] }
        return [.clock, .probe]
            + paths.flatMap { paths in
                [false, true].map { .packet(paths, maglevSize: maglevSize, isDry: $0) }
            }
    }

    /// Nil where it has no such tables.
    var maglevSize: Int? {
        macros.first { $0.hasPrefix(Self.maglevMacro) }.flatMap { Int($0.dropFirst(Self.maglevMacro.count)) }
    }
}
