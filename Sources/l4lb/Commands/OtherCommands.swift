import API
import ArgumentParser
import Balancer

struct ModeCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mode", abstract: "Show or change the mode of new connections.",
        subcommands: [ModeGet.self, ModeUpdate.self])
}

struct ModeGet: PromptAction {
    static let configuration = CommandConfiguration(commandName: "get", abstract: "Show the mode.")

    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let report = try await context.balancer.mode()
        switch format.output {
        case .table: context.output.line(report.mode.rawValue)
        case .json: context.output.json(report)
        }
    }
}

struct ModeUpdate: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change the mode of new connections.",
        discussion: """
            Connections that exist stay in the mode they began in; no packet is lost. Services that have a mode of \
            their own (--mode) keep it.
            """)

    @Argument(help: "snat or dsr.", completion: .list(Mode.allCases.map(\.rawValue)))
    var mode: String
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        guard let mode = Mode(rawValue: mode) else {
            throw UsageError(description: "mode update: \(quoted(mode)) is not snat or dsr")
        }
        let report = try await context.balancer.updateMode(mode)
        switch format.output {
        case .table: context.output.line("mode is \(report.mode.rawValue) \(report.changed ? "now" : "already")")
        case .json: context.output.json(report)
        }
    }
}

struct NeighborCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "neighbor", abstract: "Show the next hops of the backends.", subcommands: [NeighborList.self])
}

struct NeighborList: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the next hops of the backends.")

    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let report = try await context.balancer.neighbours()
        switch format.output {
        case .table:
            var table = Table(columns: [
                .init(title: "ADDRESS"), .init(title: "LINK ADDRESS"), .init(title: "DEVICE"),
                .init(title: "BACKENDS", importance: 1),
            ])
            table.rows = report.neighbors.map { entry in
                [entry.address, entry.linkAddress ?? "missing", entry.device, entry.backends.joined(separator: ",")]
            }
            context.output.table(table)
        case .json:
            context.output.json(report)
        }
    }
}

struct StatusCommand: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the mode, devices, flow tables, SNAT ports and drops.")

    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let status = try await context.balancer.status()
        switch format.output {
        case .table: show(status, context.output)
        case .json: context.output.json(status)
        }
    }

    /// The backends with the fewest ports left are shown; in JSON there are more.
    private static let snatPortsShown = 3

    private func use(_ slots: Int, _ bytes: Int, _ status: StatusReport) -> String {
        "\(slots) of \(status.flowTableSlots) connections in use, \(Units.memory(bytes))"
    }

    private func show(_ status: StatusReport, _ output: Output) {
        output.line("mode         \(status.mode) (the program carries \(status.paths.joined(separator: "+")))")
        output.line("compiled     \(status.compiled)")
        for device in status.devices {
            output.line(
                "device       \(device.name)  \(device.linkAddress)  \(device.xdpMode) XDP  program id \(device.programId)"
            )
        }
        output.line("services     \(status.services) with \(status.backends) backends")
        let connections = Mode.allCases.map { "\(status.connectionsByMode[$0.rawValue] ?? 0) \($0.rawValue)" }
        output.line("connections  \(connections.joined(separator: ", "))")
        output.line("flow table   \(use(status.flowTableSlotsUsed, status.flowTableBytes, status))")
        if let slots = status.flowTableIpv6SlotsUsed, let bytes = status.flowTableIpv6Bytes {
            output.line("  of IPv6    \(use(slots, bytes, status))")
        }
        for (place, ports) in status.snatPorts.prefix(Self.snatPortsShown).enumerated() {
            output.line(
                "\(place == 0 ? "SNAT ports " : "           ")  \(ports.backend)/\(ports.protocol): \(ports.inUse) of \(ports.available) in use"
            )
        }
        if let seconds = status.confirmSeconds {
            output.line("applied      to be confirmed within \(Units.seconds(UInt64(seconds)))")
        }
        let drops = DropReason.allCases.map(\.rawValue).filter { status.drops[$0] ?? 0 > 0 }
        output.line("drops        \(drops.isEmpty ? "none" : "")")
        for reason in drops { output.line("  \(reason)  \(status.drops[reason] ?? 0)") }
        let events = EventCounter.allCases.map(\.rawValue).filter { status.events[$0] ?? 0 > 0 }
        if !events.isEmpty {
            output.line("events")
            for event in events { output.line("  \(event)  \(status.events[event] ?? 0)") }
        }
    }
}
