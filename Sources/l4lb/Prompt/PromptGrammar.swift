import API
import Agent
import ArgumentParser
import Balancer

/// What a command needs to be carried out.
struct PromptContext: Sendable {
    var balancer: any Balancing
    /// The agent itself where it is in this process: some commands want that.
    var agent: LoadBalancer?
    var output: Output
    /// Where the command runs in a process that outlives it.
    var signals: EndSignals?
    /// Whether somebody sits at the prompt.
    var isTerminal: Bool
}

/// A command of the prompt, or of the shell towards a running agent.
protocol PromptAction: ParsableCommand {
    var format: FormatOptions { get }
    func run(_ context: PromptContext) async throws
}

/// The grammar of the prompt: a noun, then a verb.
struct PromptGrammar: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "l4lb>",
        abstract: "The commands of the prompt; 'help COMMAND' tells more, 'exit' ends.",
        subcommands: [
            ServiceCommands.self, BackendCommands.self, ModeCommands.self, NeighborCommands.self, StatusCommand.self,
            TopCommand.self, ExplainCommand.self, MonitorCommands.self, PlanCommand.self, ApplyCommand.self,
            ConfirmCommand.self,
            ExportCommand.self, VersionCommand.self, ExitCommand.self,
        ])

    /// What words the grammar has at a place, for completion and for errors.
    static func verbs(of noun: String) -> [String]? {
        guard let command = command(noun) else { return nil }
        return command.configuration.subcommands.map(name)
    }

    static var nouns: [String] { configuration.subcommands.map(name) + ["help", "quit"] }

    static func command(_ noun: String) -> (any ParsableCommand.Type)? {
        configuration.subcommands.first { name($0) == noun || $0.configuration.aliases.contains(noun) }
    }

    static func name(_ command: any ParsableCommand.Type) -> String {
        command.configuration.commandName ?? ""
    }

    /// Reads the words of a line; nil for an empty one. `root`: whose commands they are.
    static func parse(_ words: [String], of root: any ParsableCommand.Type = Self.self) throws -> (any ParsableCommand)?
    {
        guard let first = words.first else { return nil }
        if first == "help" {
            let words = words.drop { $0 == "help" }
            try checkNames(Array(words), needsVerb: false)
            return try root.parseAsRoot(words + ["--help"])
        }
        try checkNames(words, needsVerb: true)
        return try root.parseAsRoot(optionalValues(words))
    }

    /// Says what there is where the noun or the verb is wrong, which the parser does not.
    private static func checkNames(_ words: [String], needsVerb: Bool) throws(UsageError) {
        guard let noun = words.first, !noun.hasPrefix("-") else { return }
        guard let verbs = verbs(of: noun) else {
            throw UsageError(description: "\(quoted(noun)) is no command: see 'help'")
        }
        guard !verbs.isEmpty else { return }
        let list = verbs.joined(separator: ", ")
        guard words.count > 1 else {
            if needsVerb { throw UsageError(description: "'\(noun)' wants one of: \(list)") }
            return
        }
        if !words[1].hasPrefix("-"), !verbs.contains(words[1]) {
            throw UsageError(description: "'\(noun)' has no \(quoted(words[1])): it has \(list)")
        }
    }

    /// `--affinity` may stand without its seconds, which the parser has no notion of: it refuses
    /// an option whose value is missing or empty.
    private static func optionalValues(_ words: [String]) -> [String] {
        words.enumerated().map { index, word in
            let next = index + 1 < words.count ? words[index + 1] : "--"
            let isAlone = word == "--affinity=" || word == "--affinity" && next.hasPrefix("-")
            return isAlone ? "--affinity=\(ServiceRequest.defaultAffinity)" : word
        }
    }
}

struct ExitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exit", abstract: "End the agent, whose program is detached; in 'l4lb shell', the shell alone.",
        aliases: ["quit"])
}
