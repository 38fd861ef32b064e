import ArgumentParser
import Balancer

struct ServiceCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service", abstract: "Create, show and delete services.",
        subcommands: [
            ServiceUpdate.self, ServiceList.self, ServiceGet.self, ServiceDumpState.self, ServiceDelete.self,
        ])
}

struct ServiceUpdate: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Create a service, or replace it as a whole.",
        discussion: """
            The frontend identifies a service; what is left out takes its default. It returns when the \
            packet path has the service.
            """)

    @Option(help: "The address and port that clients connect to: IP:PORT[/tcp|/udp].")
    var frontend: String
    @Option(help: "The backends, IP:PORT[,IP:PORT…].")
    var backends: String
    @Option(help: "The service's id, 1 to 65535; a free one where it is left out.")
    var id: String?
    @Option(help: "A weight for each backend, 0 to 65535; 0: no new connections. (default: 1 each)")
    var backendWeights: String?
    @Option(help: "A state for each backend: active, draining or maintenance. (default: active)")
    var states: String?
    @Option(help: "maglev or random. (default: maglev)")
    var algorithm: String?
    @Option(help: "Clients keep their backend for SECONDS without a connection. (default when given: 10800)")
    var affinity: String?
    @Option(help: "The only clients that are served, as CIDR[,CIDR…].")
    var sourceRanges: String?
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let request = try ServiceRequest(
            .init(
                id: id, frontend: frontend, backends: backends, weights: backendWeights, states: states,
                algorithm: algorithm, affinity: affinity, sourceRanges: sourceRanges))
        let update = try await context.balancer.update(request)
        let service = update.outcome.service
        let count = service.backends.count
        let verb =
            switch update.outcome {
            case .created: "created"
            case .replaced: "replaced"
            }
        switch format.output {
        case .table:
            context.output.line(
                "\(verb) service \(service.id): \(service.frontend) with \(count) backend\(count == 1 ? "" : "s")")
            for warning in update.warnings { context.output.warning(warning) }
        case .json:
            context.output.json(
                ServiceUpdateReport(
                    result: verb, id: service.id, frontend: service.frontend.description, backends: count,
                    warnings: update.warnings))
        }
    }
}

struct ServiceList: PromptAction {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show all services.")

    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let services = await context.balancer.services()
        let counts = try await context.balancer.connectionCounts()
        switch format.output {
        case .table:
            var table = Table(columns: [
                .init(title: "ID", isNumber: true), .init(title: "FRONTEND"), .init(title: "ALGORITHM", importance: 1),
                .init(title: "BACKENDS", isNumber: true), .init(title: "ACTIVE", isNumber: true, importance: 2),
                .init(title: "CONNECTIONS", isNumber: true), .init(title: "ORIGIN", importance: 3),
            ])
            for service in services {
                table.rows.append([
                    "\(service.id)", "\(service.frontend)", service.algorithm.rawValue, "\(service.backends.count)",
                    "\(service.backends.filter(\.takesConnections).count)", "\(counts[service.id] ?? 0)",
                    service.origin.rawValue,
                ])
            }
            context.output.table(table)
        case .json:
            context.output.json(
                ServiceListReport(
                    services: services.map { ServiceReport($0, connections: counts[$0.id] ?? 0) }))
        }
    }
}

struct ServiceGet: PromptAction {
    static let configuration = CommandConfiguration(commandName: "get", abstract: "Show one service's configuration.")

    @Option(help: "The service's id.")
    var id: String
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let id = try ServiceRequest.readID(id)
        let service = try await context.balancer.service(id: id)
        let connections = try await context.balancer.connectionCounts()[id] ?? 0
        switch format.output {
        case .table:
            let output = context.output
            output.line("service \(service.id)  \(service.frontend)")
            output.line("algorithm    \(service.algorithm.rawValue)")
            output.line("affinity     \(service.affinity.map { Units.seconds(UInt64($0)) } ?? "none")")
            let ranges = service.sourceRanges.map(\.description).joined(separator: ",")
            output.line("sources      \(ranges.isEmpty ? "all" : ranges)")
            output.line("origin       \(service.origin.rawValue)")
            output.line("connections  \(connections)")
            var table = Table(columns: [
                .init(title: "BACKEND"), .init(title: "WEIGHT", isNumber: true), .init(title: "STATE"),
            ])
            table.rows = service.backends.map { ["\($0.endpoint)", "\($0.weight)", $0.state.rawValue] }
            output.table(table)
        case .json:
            context.output.json(ServiceReport(service, connections: connections))
        }
    }
}

struct ServiceDelete: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a service; its connections go on until they end.")

    @Option(help: "The service's id.")
    var id: String?
    @Flag(help: "Delete every service.")
    var all = false
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        switch (id, all) {
        case (let id?, false):
            let service = try await context.balancer.delete(id: try ServiceRequest.readID(id))
            report(context, text: "deleted service \(service.id): \(service.frontend)", count: 1)
        case (nil, true):
            let count = try await context.balancer.deleteAll()
            report(context, text: "deleted \(count) service\(count == 1 ? "" : "s")", count: count)
        default:
            throw UsageError(description: "give either --id=N or --all")
        }
    }

    private func report(_ context: PromptContext, text: String, count: Int) {
        switch format.output {
        case .table: context.output.line(text)
        case .json: context.output.json(DeletedReport(deleted: count))
        }
    }
}
