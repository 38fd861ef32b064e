import API
import Agent
import ArgumentParser
import Balancer
import Foundation

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure the datapath on this machine, without a device.",
        discussion: """
            What a packet costs, as a multiple of the floor: a program that reads the headers and sends the \
            frame back, measured in the same round. The median of the rounds is shown, with the least and the \
            most. It takes about two minutes, all of one processor's time and some 800 MiB of memory; nothing is \
            attached or left behind. docs/bench.md tells more.
            """)

    @Option(help: "snat, dsr or both: programs of one path, and with both also those of both paths.")
    var mode: String = "both"
    @Option(help: "4, 6 or both.")
    var family: String = "both"
    @Option(help: "Rounds that are measured: 1 to 99.")
    var rounds: String?
    @Option(help: "Only cases whose name holds this text.")
    var cases: String = ""
    @Flag(help: "Few and short rounds: the checks are as good, the figures are not.")
    var short = false
    @Option(help: "Connections that the flow table has room for: 65536 to 16777216. (default: the agent's)")
    var flowTableSize: String?
    @Option(help: "The clang that compiles the packet program. (default: $L4LB_CLANG, PATH, beside swift)")
    var clang: String?
    @OptionGroup var format: FormatOptions

    /// The bench as the options want it.
    func bench() throws -> Bench {
        var bench = Bench()
        if mode != "both" {
            guard let mode = Mode(rawValue: mode) else {
                throw UsageError(description: "--mode: \(quoted(mode)) is not snat, dsr or both")
            }
            bench.modes = [mode]
        }
        switch family {
        case "both": break
        case "4": bench.families = [false]
        case "6": bench.families = [true]
        default: throw UsageError(description: "--family: \(quoted(family)) is not 4, 6 or both")
        }
        bench.filter = cases
        bench.isShort = short
        if short {
            bench.rounds = 2
            bench.flowTableSize = Bench.flowTableSizes.lowerBound
        }
        if let rounds { bench.rounds = try number("--rounds", rounds, 1...99) }
        if let flowTableSize {
            bench.flowTableSize = try number("--flow-table-size", flowTableSize, Bench.flowTableSizes)
        }
        bench.clang = clang
        return bench
    }

    func run() throws {
        let bench = try bench()
        let progress = ProgressLine()
        let report: BenchReport
        do {
            defer { progress.clear() }
            report = try bench.run(environment: ProcessInfo.processInfo.environment) { progress.show($0) }
        }
        let output = Output()
        switch format.output {
        case .table: show(report, output)
        case .json: output.json(BenchJSON(report))
        }
    }

    private func show(_ report: BenchReport, _ output: Output) {
        let rounds = "\(report.rounds) round\(report.rounds == 1 ? "" : "s")"
        output.line(
            "floor \(tenths(report.floorNanoseconds)) ns; \(rounds); flow table for \(report.flowTableSize) connections"
        )
        output.line("")
        output.table(Self.table(report))
    }

    static func table(_ report: BenchReport) -> Table {
        var table = Table(columns: [
            .init(title: "MODE"), .init(title: "FAMILY"), .init(title: "PATHS", importance: 1), .init(title: "CASE"),
            .init(title: "FLOORS", isNumber: true), .init(title: "MIN", isNumber: true, importance: 2),
            .init(title: "MAX", isNumber: true, importance: 2), .init(title: "CYCLES", isNumber: true, importance: 3),
            .init(title: "INSNS", isNumber: true, importance: 3), .init(title: "NS", isNumber: true, importance: 1),
            .init(title: "EVICTED", isNumber: true, importance: 4),
        ])
        table.rows = report.results.map { result in
            let (program, floors) = (result.case.program, result.floors)
            return [
                program.mode.rawValue, program.family, program.hasBothPaths ? "both" : "one",
                result.case.traffic.rawValue, hundredths(floors.median), hundredths(floors.least),
                hundredths(floors.most), result.cycles.map(whole) ?? "-", result.instructions.map(whole) ?? "-",
                tenths(result.nanoseconds),
                result.case.traffic == .newFlows ? "\(tenths(result.evictedShare)) %" : "-",
            ]
        }
        return table
    }
}

/// What a run is doing, on one line of a terminal; nothing where standard error is none.
private final class ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var length = 0

    func show(_ text: String) {
        guard isTerminal else { return }
        // Blanks and no escape sequence, so that it works on any terminal.
        let shown = String(text.prefix(78))
        write("\r" + shown + String(repeating: " ", count: max(length - shown.count, 0)))
        length = shown.count
    }

    func clear() {
        guard length > 0 else { return }
        write("\r" + String(repeating: " ", count: length) + "\r")
        length = 0
    }

    private func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}

/// What `-o json` prints.
struct BenchJSON: Encodable {
    struct Entry: Encodable {
        var mode: String
        var family: String
        var bothPaths: Bool
        var `case`: String
        var floors: Double
        var floorsMin: Double
        var floorsMax: Double
        var nanoseconds: Double
        @ExplicitNull var cycles: Double?
        @ExplicitNull var instructions: Double?
        var packets: UInt64
        var evicted: UInt64
    }

    var floorNanoseconds: Double
    var rounds: Int
    var flowTableSize: Int
    var cases: [Entry]

    init(_ report: BenchReport) {
        floorNanoseconds = report.floorNanoseconds
        rounds = report.rounds
        flowTableSize = report.flowTableSize
        cases = report.results.map { result in
            let (program, floors) = (result.case.program, result.floors)
            return Entry(
                mode: program.mode.rawValue, family: program.family, bothPaths: program.hasBothPaths,
                case: result.case.traffic.rawValue, floors: floors.median, floorsMin: floors.least,
                floorsMax: floors.most, nanoseconds: result.nanoseconds, cycles: result.cycles,
                instructions: result.instructions, packets: result.packets, evicted: result.evicted)
        }
    }
}

private func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }

private func tenths(_ value: Double) -> String { decimal(value, places: 1) }

private func hundredths(_ value: Double) -> String { decimal(value, places: 2) }

private func decimal(_ value: Double, places: Int) -> String { String(format: "%.\(places)f", value) }
