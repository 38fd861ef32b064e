import API
import Agent
import ArgumentParser
import Dispatch
import Foundation
import Terminal

/// Reads lines and carries them out, until `exit`, the end of the input or a signal. On a terminal
/// it prompts and goes on after an error; elsewhere it stops at the first line that fails.
struct PromptLoop {
    let isTerminal = isatty(STDIN_FILENO) == 1
    private let balancer: any Balancing
    /// The agent itself where it is in this process.
    private let agent: LoadBalancer?
    private let events: EventLog
    private let output: Output
    private let editor: LineEditor
    private let signals: EndSignals

    static let prompt = "l4lb> "

    /// At the agent itself.
    init(_ agent: LocalAgent, events: EventLog, signals: EndSignals) {
        self.init(agent, agent: agent.balancer, events: events, signals: signals)
    }

    init(_ balancer: any Balancing, agent: LoadBalancer?, events: EventLog, signals: EndSignals) {
        self.balancer = balancer
        self.agent = agent
        self.signals = signals
        self.events = events
        output = Output(errorsToStandardOutput: isTerminal)
        let environment = ProcessInfo.processInfo.environment
        let completer = PromptCompleter(balancer: balancer)
        editor = LineEditor(
            prompt: isTerminal ? Self.prompt : "", historyFile: isTerminal ? historyPath(environment: environment) : nil
        ) { line, cursor in completer.complete(line, cursor: cursor) }
    }

    /// The exit code of the whole.
    func run() async -> Int32 {
        signals.attach(editor, isTerminal: isTerminal)
        defer { editor.restoreTerminal() }
        while true {
            for event in events.take() { output.note(event) }
            switch await nextLine() {
            case .line(let text):
                switch await carryOut(text) {
                case .goOn: break
                case .end: return 0
                case .failed(let code):
                    if !isTerminal { return code }
                }
            case .tooLong(let limit):
                let error = UsageError(description: "the line is longer than \(limit) bytes: split it")
                let code = output.failure(error, parser: PromptGrammar.self, asJSON: false)
                if !isTerminal { return code }
            case .interrupted, .endOfInput, .stopped:
                return 0
            }
        }
    }

    private enum Result {
        case goOn, end
        case failed(Int32)
    }

    private func carryOut(_ line: String) async -> Result {
        var wantsJSON = false
        do {
            let words = try Words(line).words
            // Known before the words are understood, so that every error can be JSON.
            wantsJSON = OutputFormat.isJSON(words)
            guard var command = try PromptGrammar.parse(words) else { return .goOn }
            if command is ExitCommand { return .end }
            guard let action = command as? any PromptAction else {
                // The parser's own help command, which throws its text.
                try command.run()
                return .goOn
            }
            try await action.run(
                PromptContext(
                    balancer: balancer, agent: agent, output: output, signals: signals, isTerminal: isTerminal))
            return .goOn
        } catch {
            let code = output.failure(error, parser: PromptGrammar.self, asJSON: wantsJSON)
            return code == 0 ? .goOn : .failed(code)
        }
    }

    /// Reading blocks, so it has a thread of its own.
    private func nextLine() async -> Line {
        let editor = editor
        return await withCheckedContinuation { continuation in
            DispatchQueue(label: "l4lb.prompt").async { continuation.resume(returning: editor.readLine()) }
        }
    }
}
