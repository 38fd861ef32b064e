import API
import ArgumentParser
import Balancer

struct ServiceList: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show all services and what they have carried.")

    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let list = try await context.balancer.services()
        switch format.output {
        case .table: context.output.table(Self.table(list.services))
        case .json: context.output.json(list)
        }
    }

    static func table(_ services: [ServiceReport]) -> Table {
        var table = Table(columns: [
            .init(title: "ID", isNumber: true), .init(title: "FRONTEND"), .init(title: "MODE", importance: 3),
            .init(title: "ALGORITHM", importance: 6), .init(title: "BACKENDS", isNumber: true),
            .init(title: "USABLE", isNumber: true, importance: 4), .init(title: "ACTIVE", isNumber: true),
            .init(title: "TOTAL", isNumber: true, importance: 2), .init(title: "PACKETS", isNumber: true),
            .init(title: "BYTES", isNumber: true, importance: 1),
            .init(title: "REPLIES", isNumber: true, importance: 5),
            .init(title: "REPLY BYTES", isNumber: true, importance: 5),
            .init(title: "DROPS", isNumber: true), .init(title: "ORIGIN", importance: 7),
        ])
        for service in services {
            table.rows.append([
                "\(service.id)", service.frontend, service.mode, service.algorithm,
                "\(service.backends.count)", "\(service.usableBackends)",
                "\(service.connections)", "\(service.totalConnections)", "\(service.packets)",
                Units.bytes(service.bytes), service.replyPackets.map { "\($0)" } ?? "-",
                service.replyBytes.map(Units.bytes) ?? "-", "\(service.drops.values.reduce(0, +))",
                service.origin,
            ])
        }
        return table
    }
}

struct ServiceGet: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Show one service's configuration and what it has carried.")

    @Option(help: "The service's id.")
    var id: String
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let service = try await context.balancer.service(id: try ServiceRequest.readID(id))
        switch format.output {
        case .table:
            for line in Self.lines(service) { context.output.line(line) }
            var table = Table(columns: [
                .init(title: "BACKEND"), .init(title: "WEIGHT", isNumber: true), .init(title: "STATE"),
                .init(title: "HEALTH"), .init(title: "REASON", importance: 1),
            ])
            table.rows = service.backends.map {
                [$0.backend, "\($0.weight)", $0.state, $0.health, $0.healthReason ?? ""]
            }
            context.output.table(table)
        case .json:
            context.output.json(service)
        }
    }

    static func lines(_ service: ServiceReport) -> [String] {
        let ranges = service.sourceRanges.joined(separator: ",")
        let sources =
            switch (ranges.isEmpty, SourceRangesPolicy(rawValue: service.sourceRangesPolicy)) {
            case (true, _): "all"
            case (false, .deny): "all but \(ranges)"
            case (false, _): ranges
            }
        let replies =
            if let packets = service.replyPackets, let bytes = service.replyBytes {
                "\(packets), \(Units.bytes(bytes))"
            } else {
                "-"
            }
        var lines = [
            "service \(service.id)  \(service.frontend)",
            "mode         \(service.mode) (\(service.ownMode == nil ? "the agent's" : "its own"))",
            "algorithm    \(service.algorithm)",
            "affinity     \(service.affinitySeconds.map { Units.seconds(UInt64($0)) } ?? "none")",
            "sources      \(sources)",
            "limit        \(service.maxNewConnections.map { "\($0) new connections a second" } ?? "none")",
            "health       \(health(service))",
            "origin       \(service.origin)",
            "connections  \(service.connections) active, \(service.totalConnections) in total",
            "packets      \(service.packets), \(Units.bytes(service.bytes))",
            "replies      \(replies)",
            "drops        \(service.drops.isEmpty ? "none" : "")",
        ]
        for reason in DropReason.allCases.map(\.rawValue) {
            if let count = service.drops[reason] { lines.append("  \(reason)  \(count)") }
        }
        return lines
    }

    private static func health(_ service: ServiceReport) -> String {
        guard let check = service.healthCheck else { return "not checked" }
        let what =
            if let path = check.path, let status = check.status { "http \(path) (\(status))" } else { check.type }
        let time = { (seconds: Double) in "\(Milliseconds(Int((seconds * 1000).rounded())))" }
        let words =
            "\(what)\(check.port.map { " at port \($0)" } ?? "") every \(time(check.intervalSeconds)) within \(time(check.timeoutSeconds)), rise \(check.rise), fall \(check.fall)"
        return service.panic ? "\(words); too few are healthy: all are used" : words
    }
}
