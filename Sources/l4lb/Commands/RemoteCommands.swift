import API
import ArgumentParser
import Balancer
import Foundation

/// The prompt against a running agent.
struct ShellCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell", abstract: "Answer the prompt against a running agent.",
        discussion: "Lines on standard input that is no terminal are a script, which ends at the first that fails.")

    @Option(help: "The agent's socket.", completion: .file())
    var socket: String = SocketFile.defaultPath

    /// The exit code.
    func serve() async throws -> Int32 {
        let signals = EndSignals()
        return try await withAgent(at: socket) { client in
            try client.check()
            return await PromptLoop(client, agent: nil, events: EventLog(), signals: signals).run()
        }
    }
}

/// A command of the prompt, from the shell.
struct RemoteCommand {
    /// Nouns that mean a running agent.
    static let nouns: Set = [
        "service", "backend", "mode", "neighbor", "status", "top", "explain", "monitor", "plan", "apply",
        "confirm", "export",
    ]

    let words: [String]
    let socket: String

    /// Nil where the words are no such command.
    init?(_ words: [String]) throws(UsageError) {
        var rest: [String] = []
        var socket: String?
        var words = words[...]
        while let word = words.popFirst() {
            if word == "--" {
                rest += [word] + words
                break
            } else if word == "--socket" {
                guard let path = words.popFirst() else {
                    throw UsageError(description: "Missing value for '--socket <socket>'")
                }
                socket = path
            } else if word.hasPrefix("--socket=") {
                socket = String(word.dropFirst("--socket=".count))
            } else {
                rest.append(word)
            }
        }
        guard let noun = rest.first, Self.nouns.contains(noun) else { return nil }
        self.words = rest
        self.socket = socket ?? SocketFile.defaultPath
    }

    func run(_ output: Output) async throws {
        guard var command = try PromptGrammar.parse(words, of: L4LB.self) else { return }
        guard let action = command as? any PromptAction else { return try command.run() }
        signal(SIGPIPE, SIG_IGN)
        try await withAgent(at: socket) { client in
            try await action.run(PromptContext(balancer: client, output: output, isTerminal: false))
        }
    }
}

/// A client for the time of some work.
func withAgent<Result: Sendable>(
    at socket: String, _ work: (APIClient) async throws -> Result
) async throws -> Result {
    let client = APIClient(at: try SocketFile(socket))
    do {
        let result = try await work(client)
        await client.close()
        return result
    } catch {
        await client.close()
        throw error
    }
}
