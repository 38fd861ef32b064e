import API
import Addresses
import ArgumentParser
import Balancer

struct BackendCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backend", abstract: "Show single backends, and take them out of service and back.",
        subcommands: [BackendList.self, BackendDrain.self, BackendMaintenance.self, BackendUndrain.self])
}

struct BackendList: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the backends of all services, and what they carry.")

    @Argument(help: "Only this one: IP:PORT.")
    var backend: String?
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let list = try await context.balancer.backends(try backend.map(readBackend))
        switch format.output {
        case .table: context.output.table(Self.table(list.backends))
        case .json: context.output.json(list)
        }
    }

    static func table(_ backends: [BackendListReport.Entry]) -> Table {
        var table = Table(columns: [
            .init(title: "BACKEND"), .init(title: "SERVICE", isNumber: true), .init(title: "FRONTEND", importance: 3),
            .init(title: "WEIGHT", isNumber: true, importance: 4), .init(title: "STATE"),
            .init(title: "SET TO", importance: 5), .init(title: "HEALTH", importance: 3),
            .init(title: "ACTIVE", isNumber: true),
            .init(title: "TOTAL", isNumber: true), .init(title: "PACKETS", isNumber: true),
            .init(title: "BYTES", isNumber: true, importance: 1),
            .init(title: "REPLIES", isNumber: true, importance: 2),
            .init(title: "REPLY BYTES", isNumber: true, importance: 2),
        ])
        for entry in backends {
            table.rows.append([
                entry.backend, "\(entry.service)", entry.frontend, "\(entry.weight)", entry.state,
                entry.override ?? "-", entry.health, "\(entry.connections)", "\(entry.totalConnections)",
                "\(entry.packets)",
                Units.bytes(entry.bytes), entry.replyPackets.map { "\($0)" } ?? "-",
                entry.replyBytes.map(Units.bytes) ?? "-",
            ])
        }
        return table
    }
}

/// What the commands have in common that set an operator's state.
struct BackendChoice: ParsableArguments {
    @Argument(help: "The backend: IP:PORT.")
    var backend: String
    @Option(help: "Only in the service of this id. (default: in all services that have the backend)")
    var service: String?
    @OptionGroup var format: FormatOptions

    /// Sets it and says what there is now.
    func set(_ state: BackendState?, _ context: PromptContext) async throws {
        let report = try await change(state, context)
        switch format.output {
        case .table: show(report, context.output)
        case .json: context.output.json(report)
        }
    }

    func change(_ state: BackendState?, _ context: PromptContext) async throws -> BackendListReport {
        try await context.balancer.setState(
            state, of: try readBackend(backend),
            service: try service.map { UInt16(try number("--service", $0, 1...65535)) })
    }

    func show(_ report: BackendListReport, _ output: Output) {
        for entry in report.backends {
            let count = "\(entry.connections) connection\(entry.connections == 1 ? "" : "s")"
            output.line("\(entry.backend) of service \(entry.service) (\(entry.frontend)) is \(entry.state), \(count)")
            if entry.override == nil, entry.state != BackendState.active.rawValue {
                output.warning("service \(entry.service) itself has it \(entry.state): 'service update' changes that")
            }
        }
    }
}

struct BackendDrain: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "A backend keeps its connections and gets no new ones.",
        discussion: """
            It holds until 'backend undrain', also when the service is replaced. With --wait it returns when the \
            last connection has ended.
            """)

    @OptionGroup var choice: BackendChoice
    @Flag(help: "Wait until no connection is left, and show how many are.")
    var wait = false
    @Option(help: "With --wait: fail where connections are left after this time, such as 90s or 2h. (default: none)")
    var timeout: String?

    var format: FormatOptions { choice.format }

    func run(_ context: PromptContext) async throws {
        guard wait || timeout == nil else { throw UsageError(description: "--timeout: it is for --wait: add that") }
        let limit = try timeout.map { try duration("--timeout", $0) }
        guard wait else { return try await choice.set(.draining, context) }
        let started = ContinuousClock.now
        let first = try await choice.change(.draining, context)
        let (backend, format) = (try readBackend(choice.backend), format.output)
        let services = Set(first.backends.map(\.service))
        let work: @Sendable () async throws -> BackendListReport = {
            try await Self.wait(
                for: backend, of: services, context, isTold: format == .table,
                until: limit.map { started + .seconds($0) })
        }
        let last = if let signals = context.signals { try await signals.interruptible(work) } else { try await work() }
        switch format {
        case .table: context.output.line("\(choice.backend) is drained: no connection is left")
        case .json: context.output.json(last)
        }
    }

    /// Looks each second how many connections are left.
    private static func wait(
        for backend: Endpoint, of services: Set<UInt16>, _ context: PromptContext, isTold: Bool,
        until end: ContinuousClock.Instant?
    ) async throws -> BackendListReport {
        let start = ContinuousClock.now
        var estimate = DrainEstimate()
        var told: Int?
        while true {
            // Where nobody has the backend any more this is the error that says so.
            var report = try await context.balancer.backends(backend)
            report.backends.removeAll { !services.contains($0.service) }
            let left = report.backends.map(\.connections).reduce(0, +)
            guard left > 0 else { return report }
            if let other = report.backends.first(where: { $0.state == BackendState.active.rawValue }) {
                throw APIError(
                    .conflict, "\(backend) of service \(other.service) is active again: 'backend undrain' was said")
            }
            let seconds = Double((ContinuousClock.now - start) / .seconds(1))
            estimate.add(left, at: seconds)
            if isTold, told != left {
                told = left
                let guess = estimate.secondsLeft.map { ", about \(Units.seconds(UInt64($0)))" } ?? ""
                context.output.line("\(left) connection\(left == 1 ? "" : "s") left\(guess)")
            }
            if let end, ContinuousClock.now >= end {
                throw APIError(
                    .failed,
                    "--timeout: \(backend) has \(left) connection\(left == 1 ? "" : "s") left; it stays draining")
            }
            do {
                try await Task.sleep(for: .seconds(1))
            } catch {
                throw APIError(.failed, "--wait: interrupted; \(backend) stays draining")
            }
        }
    }
}

struct BackendMaintenance: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "maintenance", abstract: "A backend gets no packet: its connections choose another one.",
        discussion: "It holds until 'backend undrain', also when the service is replaced.")

    @OptionGroup var choice: BackendChoice
    var format: FormatOptions { choice.format }

    func run(_ context: PromptContext) async throws { try await choice.set(.maintenance, context) }
}

struct BackendUndrain: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "undrain", abstract: "A backend is again what its service says.",
        discussion: "It undoes 'backend drain' and 'backend maintenance'.")

    @OptionGroup var choice: BackendChoice
    var format: FormatOptions { choice.format }

    func run(_ context: PromptContext) async throws { try await choice.set(nil, context) }
}

private func readBackend(_ text: String) throws -> Endpoint {
    guard let backend = Endpoint(text) else {
        throw UsageError(description: "\(quoted(text)) is not an IP address and port, such as 20.1.1.10:80")
    }
    return backend
}
