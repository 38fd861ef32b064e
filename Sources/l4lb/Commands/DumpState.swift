import Agent
import ArgumentParser
import Balancer

struct ServiceDumpState: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "dumpstate", abstract: "Show a service's active connections, then each backend's totals.",
        discussion: """
            In DSR the replies do not pass here and are shown as '-'. Bytes are those of the IP packets. \
            The totals count connections that have ended as well.
            """)

    @Option(help: "The service's id.")
    var id: String
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        let dump = try await context.balancer.dump(id: try ServiceRequest.readID(id))
        switch format.output {
        case .table:
            let service = dump.service
            context.output.line(
                "service \(service.id)  \(service.frontend)  mode \(dump.mode.rawValue)  \(service.algorithm.rawValue)  \(dump.connections.count) active connection\(dump.connections.count == 1 ? "" : "s")"
            )
            context.output.line("")
            if !dump.connections.isEmpty {
                context.output.table(connections(dump))
                context.output.line("")
            }
            context.output.table(backends(dump))
        case .json:
            context.output.json(DumpReport(dump))
        }
    }

    private func connections(_ dump: LoadBalancer.Dump) -> Table {
        var table = Table(columns: [
            .init(title: "PROTO"), .init(title: "CLIENT"), .init(title: "FRONTEND", importance: 3),
            .init(title: "BACKEND"), .init(title: "MODE"), .init(title: "STATE"),
            .init(title: "AGE", isNumber: true, importance: 1), .init(title: "IDLE", isNumber: true, importance: 2),
            .init(title: "PACKETS", isNumber: true), .init(title: "BYTES", isNumber: true),
            .init(title: "REPLIES", isNumber: true), .init(title: "REPLY BYTES", isNumber: true),
        ])
        for connection in dump.connections {
            table.rows.append([
                connection.frontend.transport.description, "\(connection.client)", "\(connection.frontend.endpoint)",
                "\(connection.backend)", connection.mode.rawValue, connection.state.rawValue,
                Units.seconds(connection.age), Units.seconds(connection.idle), "\(connection.packets)",
                Units.bytes(connection.bytes), connection.replyPackets.map { "\($0)" } ?? "-",
                connection.replyBytes.map(Units.bytes) ?? "-",
            ])
        }
        return table
    }

    private func backends(_ dump: LoadBalancer.Dump) -> Table {
        var table = Table(columns: [
            .init(title: "BACKEND"), .init(title: "WEIGHT", isNumber: true), .init(title: "STATE"),
            .init(title: "ACTIVE", isNumber: true), .init(title: "TOTAL", isNumber: true),
            .init(title: "PACKETS", isNumber: true), .init(title: "BYTES", isNumber: true),
            .init(title: "REPLIES", isNumber: true, importance: 2),
            .init(title: "REPLY BYTES", isNumber: true, importance: 1),
        ])
        for report in dump.backends {
            // Where no reply ever passed here, as in DSR, a zero would be a lie.
            let hasReplies = report.replyPackets > 0 || dump.mode == .snat
            table.rows.append([
                "\(report.backend.endpoint)", "\(report.backend.weight)", report.backend.state.rawValue,
                "\(report.connections)", "\(report.totalConnections)", "\(report.packets)", Units.bytes(report.bytes),
                hasReplies ? "\(report.replyPackets)" : "-", hasReplies ? Units.bytes(report.replyBytes) : "-",
            ])
        }
        return table
    }
}
