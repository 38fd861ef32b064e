import API
import Addresses
import ArgumentParser
import Balancer

struct ExplainCommand: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Tell what happens to one flow's packets, and why.",
        discussion: """
            The verdict is that of the packet program itself, compiled so that it writes nothing down, on the tables \
            as they are: of a connection's next packet, or of a SYN where there is no connection.
            """)

    @Argument(help: "The client: IP:PORT.")
    var client: String
    @Argument(help: "Where its packets go: IP:PORT[/tcp|/udp].")
    var frontend: String
    @OptionGroup var format: FormatOptions

    func run(_ context: PromptContext) async throws {
        guard let client = Endpoint(client), !client.isAllPorts else {
            throw UsageError(description: "\(quoted(client)) is not an IP address and port, such as 10.0.0.1:1024")
        }
        guard let frontend = Frontend(frontend), !frontend.endpoint.isAllPorts else {
            throw UsageError(description: "\(quoted(frontend)) is not IP:PORT[/tcp|/udp], such as 40.1.1.1:80")
        }
        let report = try await context.balancer.explain(client: client, frontend: frontend)
        switch format.output {
        case .table: for line in Self.lines(report) { context.output.line(line) }
        case .json: context.output.json(report)
        }
    }

    static func lines(_ report: ExplainReport) -> [String] {
        let service = report.service.map {
            "\($0.id)  \($0.frontend)  \($0.mode)  \($0.algorithm)  origin \($0.origin)"
        }
        let connection = report.connection.map {
            "\($0.state)  \($0.mode)  slot \($0.slot)  age \(Units.seconds($0.ageSeconds))  idle \(Units.seconds($0.idleSeconds))"
        }
        let hop = report.nextHop.map {
            "\($0.address) at \($0.linkAddress ?? "no link address yet") on \($0.device ?? "no device of ours")"
        }
        return [
            "flow         \(report.client) -> \(report.frontend), in by \(report.device)",
            "service      \(service ?? "none")",
            "connection   \(connection ?? "none")",
            "backend      \(report.backend.map { "\($0.backend)  \($0.state)  health \($0.health ?? "not checked")" } ?? "none")",
            "next hop     \(hop ?? "none")",
            "source       \(report.nextHop.map { "\($0.source), MTU \($0.mtu)" } ?? "none")",
            "verdict      \(verdict(report))",
        ]
    }

    private static func verdict(_ report: ExplainReport) -> String {
        let new = report.beginsConnection ? ", as a new connection" : ""
        switch report.verdict {
        case .forward: return "forwarded out of \(report.device)\(new)"
        case .redirect: return "forwarded out of \(report.nextHop?.device ?? "another device")\(new)"
        case .drop: return "dropped: \(report.reason ?? "the program gave up") (docs/drops.md)"
        case .pass: return "left to the host\(report.service == nil ? ": no service is there" : "")"
        }
    }
}
