import API
import Agent
import ArgumentParser
import Balancer
import Foundation
import Terminal

/// Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 a plan with --exit-code has changes.
enum ExitStatus {
    static let failed: Int32 = 1
    static let usage: Int32 = 2
    static let changes: Int32 = 3
}

/// Where results and errors go.
struct Output: Sendable {
    /// At a terminal prompt errors stand among the results, in the order in which they came.
    var errorsToStandardOutput = false
    /// Columns of the terminal; nil where there is none: everything is shown.
    var width: Int? { terminalWidth() }

    func line(_ text: String) {
        write(text + "\n", to: FileHandle.standardOutput)
    }

    func warning(_ text: String) {
        write("warning: \(Self.printable(text))\n", to: errorHandle)
    }

    /// A note that is no result, such as the greeting: it never mixes with what a script reads.
    func note(_ text: String) {
        write(text + "\n", to: errorHandle)
    }

    func table(_ table: Table) {
        write(table.text(width: width), to: FileHandle.standardOutput)
    }

    func json(_ value: some Encodable) {
        line(JSON.text(value))
    }

    private struct Failure: Encodable {
        struct Body: Encodable {
            var message: String
            var exitCode: Int32
        }
        var error: Body
    }

    /// An error as it is shown: its one line, what clang or the verifier said below it, the exit code.
    struct ErrorText: Equatable {
        var line: String
        var details = ""
        var code: Int32
    }

    /// Nil where it is no error but a request for help.
    static func text(of error: any Error, parser: any ParsableArguments.Type) -> ErrorText? {
        switch error {
        case let error as BalancerError:
            return ErrorText(
                line: printable(error.description), code: error.kind == .usage ? ExitStatus.usage : ExitStatus.failed)
        case let error as AgentError:
            return ErrorText(line: printable(error.description), details: error.details, code: ExitStatus.failed)
        case let error as APIError:
            return ErrorText(
                line: printable(error.line), details: error.details ?? "",
                code: error.code == .invalid ? ExitStatus.usage : ExitStatus.failed)
        case let error as UsageError:
            return ErrorText(line: printable(error.description), code: ExitStatus.usage)
        default:
            guard parser.exitCode(for: error) != .success else { return nil }
            let isUsage = parser.exitCode(for: error) == .validationFailure
            let whole = isUsage ? parser.message(for: error) : "\(error)"
            // The verifier's words follow on lines of their own.
            let lines = whole.split(separator: "\n", maxSplits: 1).map(String.init)
            return ErrorText(
                line: printable(lines.first ?? "unknown error"), details: isUsage ? "" : lines.dropFirst().first ?? "",
                code: isUsage ? ExitStatus.usage : ExitStatus.failed)
        }
    }

    /// Prints an error; the result is the exit code. A request for help arrives here too.
    func failure(_ error: any Error, parser: any ParsableArguments.Type, asJSON: Bool) -> Int32 {
        if error is ChangesAhead { return ExitStatus.changes }
        guard let text = Self.text(of: error, parser: parser) else {
            line(parser.fullMessage(for: error))
            return 0
        }
        write("error: \(text.line)\n", to: errorHandle)
        if !text.details.isEmpty { write(text.details + "\n", to: errorHandle) }
        if asJSON { json(Failure(error: .init(message: text.line, exitCode: text.code))) }
        return text.code
    }

    private var errorHandle: FileHandle {
        errorsToStandardOutput ? FileHandle.standardOutput : FileHandle.standardError
    }

    private func write(_ text: String, to handle: FileHandle) {
        // A reader that has gone is no reason to stop balancing.
        try? handle.write(contentsOf: Data(text.utf8))
    }

    /// One line without control characters, and not endless: it may hold what somebody typed.
    private static func printable(_ text: String) -> String {
        Balancer.printable(text, limit: 600)
    }
}

/// The user's words are wrong in a way that the parser does not know.
struct UsageError: Error, CustomStringConvertible {
    var description: String
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json

    /// Whether words that are not understood yet ask for JSON.
    static func isJSON(_ words: [String]) -> Bool {
        zip(words, words.dropFirst()).contains { ["-o", "--output"].contains($0) && $1 == "json" }
            || words.contains("-ojson") || words.contains("-o=json") || words.contains("--output=json")
    }
}

struct FormatOptions: ParsableArguments {
    @Option(name: [.customShort("o"), .customLong("output")], help: "table or json.")
    var output: OutputFormat = .table
    /// `RemoteCommand` has taken it out of the words already: it is here for help, completion and the manual.
    @Option(help: "From the shell: the agent's socket. (default: \(SocketFile.defaultPath))", completion: .file())
    var socket: String?

    func validate() throws {
        guard socket == nil else { throw ValidationError("--socket: the prompt has its agent: leave it away") }
    }
}
