import Agent
import ArgumentParser
import Balancer

struct ServiceList: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show all services and what they have carried.")

    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let states = try await context.balancer.serviceStates()
        switch format.output {
        case .table: context.output.table(Self.table(states))
        case .json: context.output.json(ServiceListReport(services: states.map(ServiceReport.init)))
        }
    }

    static func table(_ states: [LoadBalancer.ServiceState]) -> Table {
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
        for state in states {
            let (service, counters) = (state.service, state.counters)
            let replies = state.replies
            table.rows.append([
                "\(service.id)", "\(service.frontend)", state.mode.rawValue, service.algorithm.rawValue,
                "\(service.backends.count)", "\(service.backends.filter(\.takesConnections).count)",
                "\(counters.connections)", "\(counters.totalConnections)", "\(counters.packets)",
                Units.bytes(counters.bytes), replies.map { "\($0.packets)" } ?? "-",
                replies.map { Units.bytes($0.bytes) } ?? "-", "\(counters.drops.values.reduce(0, +))",
                service.origin.rawValue,
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
        let state = try await context.balancer.serviceState(id: try ServiceRequest.readID(id))
        switch format.output {
        case .table:
            for line in Self.lines(state) { context.output.line(line) }
            var table = Table(columns: [
                .init(title: "BACKEND"), .init(title: "WEIGHT", isNumber: true), .init(title: "STATE"),
            ])
            table.rows = state.service.backends.map { ["\($0.endpoint)", "\($0.weight)", $0.state.rawValue] }
            context.output.table(table)
        case .json:
            context.output.json(ServiceReport(state))
        }
    }

    static func lines(_ state: LoadBalancer.ServiceState) -> [String] {
        let (service, counters) = (state.service, state.counters)
        let ranges = service.sourceRanges.map(\.description).joined(separator: ",")
        let sources =
            switch (ranges.isEmpty, service.sourceRangesPolicy) {
            case (true, _): "all"
            case (false, .allow): ranges
            case (false, .deny): "all but \(ranges)"
            }
        var lines = [
            "service \(service.id)  \(service.frontend)",
            "mode         \(state.mode.rawValue) (\(service.mode == nil ? "the agent's" : "its own"))",
            "algorithm    \(service.algorithm.rawValue)",
            "affinity     \(service.affinity.map { Units.seconds(UInt64($0)) } ?? "none")",
            "sources      \(sources)",
            "limit        \(service.maxNewConnections.map { "\($0) new connections a second" } ?? "none")",
            "origin       \(service.origin.rawValue)",
            "connections  \(counters.connections) active, \(counters.totalConnections) in total",
            "packets      \(counters.packets), \(Units.bytes(counters.bytes))",
            "replies      \(state.replies.map { "\($0.packets), \(Units.bytes($0.bytes))" } ?? "-")",
            "drops        \(counters.drops.isEmpty ? "none" : "")",
        ]
        for reason in DropReason.allCases {
            if let count = counters.drops[reason] { lines.append("  \(reason.rawValue)  \(count)") }
        }
        return lines
    }
}

extension LoadBalancer.ServiceState {
    /// Nil where no reply ever passed here, as in DSR: a zero would be a lie.
    var replies: (packets: UInt64, bytes: UInt64)? {
        guard mode == .snat || counters.replyPackets > 0 else { return nil }
        return (counters.replyPackets, counters.replyBytes)
    }
}
