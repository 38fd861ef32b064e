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

    @Option(help: "The address and port that clients connect to: IP:PORT[/tcp|/udp]; IP:* for all other ports.")
    var frontend: String
    @Option(help: "The backends, IP:PORT[,IP:PORT…]; IP:* keeps the port of a frontend on all ports.")
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
    @Option(help: "The clients that the policy is about, as CIDR[,CIDR…].")
    var sourceRanges: String?
    @Option(help: "allow: only the source ranges are served; deny: all but them. (default: allow)")
    var sourceRangesPolicy: String?
    @Option(help: "snat or dsr, for this service alone. (default: the agent's mode)")
    var mode: String?
    @Option(help: "The most new connections in a second, 1 to 10000000. (default: no limit)")
    var maxNewConnections: String?
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let request = try ServiceRequest(
            .init(
                id: id, frontend: frontend, backends: backends, weights: backendWeights, states: states,
                algorithm: algorithm, affinity: affinity, sourceRanges: sourceRanges,
                sourceRangesPolicy: sourceRangesPolicy, mode: mode, maxNewConnections: maxNewConnections))
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
