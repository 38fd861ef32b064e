import API
import ArgumentParser
import Balancer

/// A file of the desired state.
struct FileOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .customLong("file")], help: "The file; - from the shell: standard input.",
        completion: .file())
    var file: String

    /// Does something with it; an error about a field gets its place in the file.
    func with<Report>(
        _ context: PromptContext, _ work: (ConfigFile) async throws -> Report
    ) async throws -> Report {
        guard file != ConfigFile.standardInput || context.signals == nil else {
            throw UsageError(description: "-f: at the prompt standard input is where commands come from: name a file")
        }
        let file = try ConfigFile(file)
        do {
            return try await work(file)
        } catch let error as APIError {
            throw file.fault(error)
        }
    }
}

/// What a plan with --exit-code ends with where something would change. There is nothing to print.
struct ChangesAhead: Error {}

struct PlanCommand: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what applying a file would change.",
        discussion: """
            Which services and backends change, the share of new connections that would go to another backend, and \
            how many living connections are affected: those on a backend that leaves go on until they end, those on \
            one that goes into maintenance choose another.
            """)

    @OptionGroup var source: FileOptions
    @Flag(help: "End with 3 where something would change.")
    var exitCode = false
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let report = try await source.with(context) { try await context.balancer.plan($0.config) }
        switch format.output {
        case .table:
            for line in PlanView.lines(report) { context.output.line(line) }
            for warning in report.warnings { context.output.warning(warning) }
        case .json: context.output.json(report)
        }
        if exitCode, report.changed { throw ChangesAhead() }
    }
}

struct ApplyCommand: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Make the services of the file what the file says, all or nothing.",
        discussion: """
            Services that were set by command stay as they are, but for those that the file has in the same way: they \
            are the file's from then on. It returns when the packet path has everything.
            """)

    @OptionGroup var source: FileOptions
    @Option(help: "Take it back after this time, such as 60s or 10m, unless 'confirm' is said.")
    var confirm: String?
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let seconds = try confirm.map { text in
            guard let seconds = Duration.seconds(text), (1...Trial.Time.limit).contains(Int64(seconds)) else {
                throw UsageError(description: "--confirm: \(quoted(text)) is not a time such as 60s or 10m, up to 24h")
            }
            return Int64(seconds)
        }
        let report = try await source.with(context) {
            try await context.balancer.apply($0.config, confirmSeconds: seconds)
        }
        switch format.output {
        case .table:
            context.output.line(report.changed ? "applied: \(report.counts)" : "no change")
            if let seconds = report.confirmSeconds {
                context.output.line("it is taken back in \(seconds) seconds: 'confirm' keeps it")
            }
            for warning in report.warnings { context.output.warning(warning) }
        case .json: context.output.json(report)
        }
    }
}

struct ConfirmCommand: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "confirm", abstract: "Keep what was applied with --confirm.")

    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let report = try await context.balancer.confirm()
        switch format.output {
        case .table: context.output.line("confirmed")
        case .json: context.output.json(report)
        }
    }
}

struct ExportCommand: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Print what is running as a file for 'apply' and --config.",
        discussion: "Services of all origins; what operators have set by 'backend drain' is not part of it.")

    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let config = try await context.balancer.config()
        switch format.output {
        case .table: context.output.line(String(try config.yaml().dropLast()))
        case .json: context.output.json(config)
        }
    }
}
