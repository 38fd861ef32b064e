import Agent
import ArgumentParser
import Balancer

struct DetachCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detach",
        abstract: "End the packet path that an agent with --no-repl has left at work.",
        discussion: """
            The programs are taken off their devices and all maps go, connections with them. Services that were set by \
            command stay in the state file. While an agent is running this is refused: stop it first.
            """)

    @Option(help: "Where the bpf filesystem is.")
    var bpfRoot: String = AgentOptions.defaultBPFRoot

    func run() throws {
        let output = Output()
        let devices = try PacketPath.detach(bpfRoot: bpfRoot)
        output.line(
            devices.isEmpty ? "nothing was attached" : "detached from \(devices.joined(separator: ", "))")
    }
}
