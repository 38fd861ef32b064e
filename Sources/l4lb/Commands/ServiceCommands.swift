import API
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
    @Option(help: "maglev or random. (default: maglev)", completion: .list(Algorithm.allCases.map(\.rawValue)))
    var algorithm: String?
    @Option(help: "Clients keep their backend for SECONDS without a connection. (default when given: 10800)")
    var affinity: String?
    @Option(help: "The clients that the policy is about, as CIDR[,CIDR…].")
    var sourceRanges: String?
    @Option(
        help: "allow: only the source ranges are served; deny: all but them. (default: allow)",
        completion: .list(SourceRangesPolicy.allCases.map(\.rawValue)))
    var sourceRangesPolicy: String?
    @Option(
        help: "snat or dsr, for this service alone. (default: the agent's mode)",
        completion: .list(Mode.allCases.map(\.rawValue)))
    var mode: String?
    @Option(help: "The most new connections in a second, 1 to 10000000. (default: no limit)")
    var maxNewConnections: String?
    @OptionGroup var health: HealthOptions
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let request = try ServiceRequest(
            .init(
                id: id, frontend: frontend, backends: backends, weights: backendWeights, states: states,
                algorithm: algorithm, affinity: affinity, sourceRanges: sourceRanges,
                sourceRangesPolicy: sourceRangesPolicy, mode: mode, maxNewConnections: maxNewConnections,
                health: health.texts))
        let report = try await context.balancer.update(request)
        switch format.output {
        case .table:
            context.output.line(
                "\(report.result.rawValue) service \(report.id): \(report.frontend) with \(report.backends) backend\(report.backends == 1 ? "" : "s")"
            )
            for warning in report.warnings { context.output.warning(warning) }
        case .json: context.output.json(report)
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
            let report = try await context.balancer.delete(id: try ServiceRequest.readID(id))
            show(report, report.services.map { "deleted service \($0.id): \($0.frontend)" }, context)
        case (nil, true):
            let report = try await context.balancer.deleteAll()
            show(report, ["deleted \(report.deleted) service\(report.deleted == 1 ? "" : "s")"], context)
        default:
            throw UsageError(description: "give either --id=N or --all")
        }
    }

    private func show(_ report: DeletedReport, _ lines: [String], _ context: PromptContext) {
        switch format.output {
        case .table: for line in lines { context.output.line(line) }
        case .json: context.output.json(report)
        }
    }
}
