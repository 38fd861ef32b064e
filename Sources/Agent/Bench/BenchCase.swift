import Balancer

/// A program that is measured, over maps of its own.
public struct BenchProgram: Hashable, Sendable {
    /// The modes whose paths it has.
    public var modes: Set<Mode>
    /// That of the services.
    public var mode: Mode
    public var isIPv6: Bool

    public init(modes: Set<Mode>, mode: Mode, isIPv6: Bool) {
        self.modes = modes
        self.mode = mode
        self.isIPv6 = isIPv6
    }

    var paths: Paths { Paths(modes, ipv6: isIPv6) }
    public var family: String { isIPv6 ? "ipv6" : "ipv4" }
    public var hasBothPaths: Bool { modes.count > 1 }

    /// Programs of one path, and where both modes are wanted also those of both.
    static func all(modes: [Mode], ipv6: [Bool]) -> [BenchProgram] {
        let sets = modes.map { Set([$0]) } + (modes.count > 1 ? [Set(modes)] : [])
        return sets.flatMap { set in
            modes.filter(set.contains).flatMap { mode in
                ipv6.map { BenchProgram(modes: set, mode: mode, isIPv6: $0) }
            }
        }
    }
}

/// One row of the bench: packets of one kind through one program.
public struct BenchCase: Hashable, Sendable {
    public enum Traffic: String, Hashable, Sendable, CaseIterable {
        case oneFlow = "established, 1 flow"
        case manyFlows = "established, 64 Ki flows"
        case oneReply = "reply, 1 flow"
        case manyReplies = "reply, 16 Ki flows"
        case otherAddress = "not ours, other address"
        case otherPort = "not ours, other port"
        case tooBig = "icmp too big"
        case newFlows = "new flow each, table full"
    }

    public var program: BenchProgram
    public var traffic: Traffic

    public init(program: BenchProgram, traffic: Traffic) {
        self.program = program
        self.traffic = traffic
    }

    /// What `--cases` looks into, and errors name.
    public var name: String {
        "\(program.mode.rawValue) \(program.family)\(program.hasBothPaths ? " both paths" : ""): \(traffic.rawValue)"
    }

    /// Those of a program, in the order in which they are measured: the last one fills the table.
    static func all(of program: BenchProgram) -> [BenchCase] {
        Traffic.allCases.filter { program.mode == .snat || !$0.isReply }.map {
            BenchCase(program: program, traffic: $0)
        }
    }

    /// Bytes of the outer header that the program puts in front.
    var head: Int { program.mode == .dsr && traffic.isForwarded ? (program.isIPv6 ? 40 : 20) : 0 }
}

extension BenchCase.Traffic {
    var isReply: Bool { self == .oneReply || self == .manyReplies }

    var isForwarded: Bool { self != .otherAddress && self != .otherPort }

    /// How many flows the packets belong to, a power of two.
    var flows: UInt64 {
        switch self {
        case .oneFlow, .oneReply, .otherAddress, .otherPort, .tooBig: 1
        case .manyFlows: 1 << 16
        case .manyReplies: 1 << 14
        case .newFlows: 1 << 32
        }
    }
}
