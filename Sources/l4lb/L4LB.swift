import API
import ArgumentParser
import Foundation

@main
struct L4LB: AsyncParsableCommand {
    static let versionNumber = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "l4lb",
        abstract: "An XDP layer-4 load balancer.",
        discussion: """
            Without a subcommand it is the agent: it compiles the packet program, attaches it to the \
            devices and answers the prompt 'l4lb> '. With standard input that is no terminal it runs the \
            lines one by one and ends at the first that fails. 'l4lb agent --help' shows its flags. The commands \
            of the prompt are also subcommands, for an agent that answers at --socket=PATH (default: \
            \(SocketFile.defaultPath)).
            """,
        subcommands: [
            AgentCommand.self, ShellCommand.self, ServiceCommands.self, BackendCommands.self, ModeCommands.self,
            NeighborCommands.self, StatusCommand.self, TopCommand.self, ExplainCommand.self, MonitorCommands.self,
            PlanCommand.self, ApplyCommand.self, ConfirmCommand.self, ExportCommand.self, DoctorCommand.self,
            DetachCommand.self, BenchCommand.self, VersionCommand.self, ObjectsCommand.self, ManualCommand.self,
        ], defaultSubcommand: AgentCommand.self)

    static func main() async {
        let output = Output()
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            if let command = try RemoteCommand(words) {
                try await command.run(output)
                return
            }
            var command = try parseAsRoot(words)
            if let agent = command as? AgentCommand {
                Foundation.exit(try await agent.serve(output, words: words))
            }
            if let shell = command as? ShellCommand {
                Foundation.exit(try await shell.serve())
            }
            if let doctor = command as? DoctorCommand {
                Foundation.exit(try await doctor.examine(output))
            }
            try command.run()
        } catch {
            Foundation.exit(output.failure(error, parser: L4LB.self, asJSON: OutputFormat.isJSON(words)))
        }
    }
}

struct VersionCommand: ParsableCommand, PromptAction {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Show the version.")

    @OptionGroup var format: FormatOptions

    struct Report: Encodable {
        var version: String
    }

    func run() throws {
        show(Output())
    }

    func run(_ context: PromptContext) async throws {
        show(context.output)
    }

    private func show(_ output: Output) {
        switch format.output {
        case .table: output.line("l4lb \(L4LB.versionNumber)")
        case .json: output.json(Report(version: L4LB.versionNumber))
        }
    }
}
