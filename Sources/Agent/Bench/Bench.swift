import Addresses
import BPF
import Balancer
import CDataplane
import Foundation

/// Measures the datapath on this machine, without a device (`l4lb bench`; docs/bench.md tells the method).
public struct Bench: Sendable {
    public var modes: [Mode] = Mode.allCases
    public var families: [Bool] = [false, true]
    /// At least one.
    public var rounds = 9
    /// Only cases whose name holds this, whatever its case; empty: all.
    public var filter = ""
    /// Runs are short: their figures tell little, their checks as much as ever.
    public var isShort = false
    public var flowTableSize = AgentOptions.defaultFlowTableSize
    public var clang: String?

    /// The many flows of the cases have to fit.
    public static let flowTableSizes = 1 << 16...1 << 24

    public init() {}

    /// In the order in which they are shown.
    public var cases: [BenchCase] {
        BenchProgram.all(modes: modes, ipv6: families).flatMap(BenchCase.all).filter {
            filter.isEmpty || $0.name.lowercased().contains(filter.lowercased())
        }
    }

    /// `progress` is told what is being done, in a few words.
    public func run(environment: [String: String], progress: (String) -> Void) throws -> BenchReport {
        try Privileges.check()
        let cases = cases
        guard !cases.isEmpty else {
            throw BalancerError.usage("--cases: no case's name holds \(quoted(filter)): see the names in the table")
        }
        let clang = try Clang.find(flag: clang, environment: environment)
        var options = AgentOptions(devices: [])
        options.flowTableSize = flowTableSize
        // Connections that fill the table must not expire before they are evicted.
        options.timeouts.syn = 3600
        progress("compiling")
        let jiffies = try JiffiesClock(compiler: .clang(clang))
        let clock = Clock(hertz: try jiffies.hertz(since: try jiffies.reading()))
        let driver = try BenchDriver(clang: clang)
        let pinned = PinnedThread()
        var report = BenchReport(results: [], floorNanoseconds: 0, rounds: rounds, flowTableSize: flowTableSize)
        var floors: [Double] = []
        var memory: [Bool: PlanMemory] = [:]
        for program in BenchProgram.all(modes: modes, ipv6: families) {
            let own = cases.filter { $0.program == program }
            guard !own.isEmpty else { continue }
            progress("preparing \(own[0].programName)")
            let target = try BenchTarget(
                program, options: options, clang: clang, clock: clock,
                memory: &memory[program.isIPv6, default: PlanMemory()])
            var session = BenchSession(target, driver: driver, millisecondsEach: isShort ? 1 : 25)
            try session.begin()
            // The cases that fill the table come after all others.
            for part in [own.filter { $0.traffic != .newFlows }, own.filter { $0.traffic == .newFlows }]
            where !part.isEmpty {
                report.results += try session.measure(part, rounds: rounds, floors: &floors, progress: progress)
            }
        }
        _ = consume pinned
        report.floorNanoseconds = BenchSpread(floors).median
        return report
    }
}
