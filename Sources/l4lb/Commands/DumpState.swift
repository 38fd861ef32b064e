import API
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
        let dump = try await context.balancer.connections(id: try ServiceRequest.readID(id), limit: .max)
        switch format.output {
        case .table:
            let service = dump.service
            context.output.line(
                "service \(service.id)  \(service.frontend)  mode \(service.mode)  \(service.algorithm)  \(dump.connections.count) active connection\(dump.connections.count == 1 ? "" : "s")"
            )
            context.output.line("")
            if !dump.connections.isEmpty {
                context.output.table(connections(dump))
                context.output.line("")
            }
            context.output.table(backends(dump))
        case .json:
            context.output.json(dump)
        }
    }

    private func connections(_ dump: DumpReport) -> Table {
        var table = Table(columns: [
            .init(title: "PROTO"), .init(title: "CLIENT"), .init(title: "FRONTEND", importance: 3),
            .init(title: "BACKEND"), .init(title: "MODE"), .init(title: "STATE"),
            .init(title: "AGE", isNumber: true, importance: 1), .init(title: "IDLE", isNumber: true, importance: 2),
            .init(title: "PACKETS", isNumber: true), .init(title: "BYTES", isNumber: true),
            .init(title: "REPLIES", isNumber: true), .init(title: "REPLY BYTES", isNumber: true),
        ])
        for connection in dump.connections {
            table.rows.append([
                connection.protocol, connection.client,
                // The protocol has a column of its own.
                String(connection.frontend.prefix { $0 != "/" }), connection.backend, connection.mode,
                connection.state, Units.seconds(connection.ageSeconds), Units.seconds(connection.idleSeconds),
                "\(connection.packets)",
                Units.bytes(connection.bytes), connection.replyPackets.map { "\($0)" } ?? "-",
                connection.replyBytes.map(Units.bytes) ?? "-",
            ])
        }
        return table
    }

    private func backends(_ dump: DumpReport) -> Table {
        var table = Table(columns: [
            .init(title: "BACKEND"), .init(title: "WEIGHT", isNumber: true), .init(title: "STATE"),
            .init(title: "HEALTH", importance: 3), .init(title: "ACTIVE", isNumber: true),
            .init(title: "TOTAL", isNumber: true),
            .init(title: "PACKETS", isNumber: true), .init(title: "BYTES", isNumber: true),
            .init(title: "REPLIES", isNumber: true, importance: 2),
            .init(title: "REPLY BYTES", isNumber: true, importance: 1),
        ])
        for entry in dump.backends {
            table.rows.append([
                entry.backend, "\(entry.weight)", entry.state, entry.health, "\(entry.connections)",
                "\(entry.totalConnections)",
                "\(entry.packets)", Units.bytes(entry.bytes), entry.replyPackets.map { "\($0)" } ?? "-",
                entry.replyBytes.map(Units.bytes) ?? "-",
            ])
        }
        return table
    }
}
