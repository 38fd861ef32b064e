import Agent
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
        let mode = await context.balancer.mode
        switch format.output {
        case .table: context.output.line(mode.rawValue)
        case .json: context.output.json(ModeReport(mode: mode.rawValue))
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

    @Argument(help: "snat or dsr.")
    var mode: String
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        guard let mode = Mode(rawValue: mode) else {
            throw UsageError(description: "mode update: \(quoted(mode)) is not snat or dsr")
        }
        let changed = try await context.balancer.updateMode(mode)
        switch format.output {
        case .table: context.output.line(changed ? "mode is \(mode.rawValue) now" : "mode is \(mode.rawValue) already")
        case .json: context.output.json(ModeReport(mode: mode.rawValue))
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
        let neighbours = try await context.balancer.neighbours()
        switch format.output {
        case .table:
            var table = Table(columns: [
                .init(title: "ADDRESS"), .init(title: "LINK ADDRESS"), .init(title: "DEVICE"),
                .init(title: "BACKENDS", importance: 1),
            ])
            table.rows = neighbours.map { neighbour in
                [
                    "\(neighbour.address)", neighbour.linkAddress?.description ?? "missing", neighbour.device,
                    neighbour.backends.map(\.description).joined(separator: ","),
                ]
            }
            context.output.table(table)
        case .json:
            context.output.json(NeighborListReport(neighbours))
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
        case .json: context.output.json(StatusReport(status))
        }
    }

    /// The backends with the fewest ports left are shown; in JSON there are more.
    private static let snatPortsShown = 3

    private func use(_ table: LoadBalancer.Status.TableUse, _ status: LoadBalancer.Status) -> String {
        "\(table.used) of \(status.flowTablePlaces) connections in use, \(Units.memory(table.bytes))"
    }

    private func show(_ status: LoadBalancer.Status, _ output: Output) {
        output.line("mode         \(status.mode.rawValue) (the program carries \(status.paths))")
        for attached in status.devices {
            output.line(
                "device       \(attached.device.name)  \(attached.device.address)  \(attached.isNative ? "native" : "generic") XDP  program id \(attached.programID)"
            )
        }
        output.line("services     \(status.services) with \(status.backends) backends")
        let connections = Mode.allCases.map { "\(status.connections[$0] ?? 0) \($0.rawValue)" }
        output.line("connections  \(connections.joined(separator: ", "))")
        output.line("flow table   \(use(status.flowTable, status))")
        if let table = status.flowTable6 { output.line("  of IPv6    \(use(table, status))") }
        for (place, ports) in status.snatPorts.prefix(Self.snatPortsShown).enumerated() {
            output.line(
                "\(place == 0 ? "SNAT ports " : "           ")  \(ports.backend)/\(ports.transport): \(ports.inUse) of \(ports.available) in use"
            )
        }
        let drops = DropReason.allCases.filter { status.drops[$0] ?? 0 > 0 }
        output.line("drops        \(drops.isEmpty ? "none" : "")")
        for reason in drops { output.line("  \(reason.rawValue)  \(status.drops[reason] ?? 0)") }
        let events = EventCounter.allCases.filter { status.events[$0] ?? 0 > 0 }
        if !events.isEmpty {
            output.line("events")
            for event in events { output.line("  \(event.rawValue)  \(status.events[event] ?? 0)") }
        }
    }
}
