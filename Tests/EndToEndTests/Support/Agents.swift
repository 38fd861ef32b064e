import Foundation
import Synchronization
import Testing

/// The program that is tested.
enum Program {
    static let path: String =
        ProcessInfo.processInfo.environment["L4LB_BINARY"]
        ?? testBundle.deletingLastPathComponent()
        .appendingPathComponent("l4lb").path

    /// The bundle is an argument of the runner, or the runner itself.
    private static var testBundle: URL {
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") }
        return URL(fileURLWithPath: bundle ?? "/proc/self/exe").resolvingSymlinksInPath()
    }

    /// Small tables, so that a test's start is quick; what the test says comes later and counts.
    static func words(_ arguments: [String]) -> [String] {
        [path, "--flow-table-size=4096"] + arguments
    }

    /// Runs it on a host with lines for its standard input, to its end.
    static func run(
        on host: Host, _ arguments: [String] = ["--device=eth0"], lines: String = "",
        environment: [String: String] = [:]
    ) async throws -> Finished {
        try await EndToEndTests.run(host.command(words(arguments)), input: lines, environment: environment)
    }
}

/// The agent at a pseudo-terminal, and a user who types there.
final class Prompt: Sendable {
    private let child: Child
    private let keyboard: Int32
    private let screen = Screen()
    static let text = "l4lb> "

    /// What the terminal has shown.
    private final class Screen: Sendable {
        let bytes = Mutex<[UInt8]>([])
    }

    init(
        on host: Host, _ arguments: [String], type: String = "dumb", environment: [String: String] = [:]
    ) async throws {
        var (near, far): (Int32, Int32) = (-1, -1)
        var size = winsize(ws_row: 50, ws_col: 250, ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&near, &far, nil, nil, &size) == 0 else { throw Failure("no pseudo-terminal") }
        keyboard = near
        defer { close(far) }
        let (screen, copy) = (screen, dup(near))
        child = try Child(
            host.command(Program.words(arguments)), input: .terminal(String(cString: ttyname(far))),
            environment: ["TERM": type, "XDG_STATE_HOME": "/nonexistent"].merging(environment) { $1 })
        Thread {
            var chunk = [UInt8](repeating: 0, count: 65536)
            while case let count = Glibc.read(copy, &chunk, chunk.count), count > 0 {
                screen.bytes.withLock { $0 += chunk[..<count] }
            }
            close(copy)
        }.start()
        try await promptComes(after: 0)
    }

    deinit {
        child.signal(SIGKILL)
        close(keyboard)
    }

    var pid: pid_t { child.pid }
    var shown: [UInt8] { screen.bytes.withLock { $0 } }
    private var length: Int { screen.bytes.withLock { $0.count } }

    func type(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(keyboard, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private func promptComes(after start: Int) async throws {
        do {
            try await eventually("a fresh prompt", within: .seconds(30), every: .milliseconds(5)) {
                let new = shown.dropFirst(start)
                guard new.suffix(Self.text.utf8.count).elementsEqual(Self.text.utf8) else {
                    return child.isRunning ? false : try gone()
                }
                return start == 0 || new.contains(UInt8(ascii: "\n"))
            }
        } catch {
            throw Failure("\(error): \(String(decoding: shown.dropFirst(start), as: UTF8.self))")
        }
    }

    private func gone() throws -> Bool {
        throw Failure("the agent has ended")
    }

    /// Types a line; gives what is printed up to the next prompt, without the echo.
    func run(_ line: String) async throws -> String {
        try await run(bytes: Array(line.utf8))
    }

    func run(bytes line: [UInt8]) async throws -> String {
        let start = length
        type(line + [UInt8(ascii: "\r")])
        try await promptComes(after: start)
        let new = String(decoding: shown.dropFirst(start), as: UTF8.self).replacing("\r\n", with: "\n")
        let lines = new.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.dropFirst().dropLast().joined(separator: "\n")
    }

    /// A command that is done: what it prints.
    @discardableResult
    func done(_ line: String) async throws -> String {
        let answer = try await run(line)
        guard !answer.split(separator: "\n").contains(where: { $0.hasPrefix("error: ") }) else {
            throw Failure("\(line): \(answer)")
        }
        return answer
    }

    /// A command that is refused, in one line.
    func refused(_ line: String) async throws -> String {
        let answer = try await run(line)
        guard answer.hasPrefix("error: "), !answer.contains("\n") else {
            throw Failure("\(line): expected one line that begins with 'error: ', not:\n\(answer)")
        }
        return answer
    }

    /// The JSON that a command prints.
    func read<Report: Decodable>(_ type: Report.Type, _ line: String) async throws -> Report {
        let answer = try await done("\(line) -o json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(type, from: Data(answer.utf8))
        } catch {
            throw Failure("\(line): \(error): \(answer)")
        }
    }

    func signal(_ number: Int32) {
        child.signal(number)
    }

    /// Waits for the agent's end; its exit code.
    func end() async throws -> Int32 {
        try await child.end(within: .seconds(15))
    }
}

/// Runs the agent on the balancer with a service for all web servers, if one is wanted, and ends it
/// as a user does: it has to leave nothing.
func withAgent(
    _ arguments: String..., service: Bool = true, _ body: (Prompt) async throws -> Void
) async throws {
    let network = try Network.current
    let prompt = try await Prompt(on: network.balancer, ["--device=eth0"] + arguments)
    if service {
        try await prompt.done(
            "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1")
    }
    do {
        try await body(prompt)
    } catch {
        prompt.signal(SIGTERM)
        _ = try? await prompt.end()
        throw error
    }
    prompt.type(Array("exit\r".utf8))
    #expect(try await prompt.end() == 0)
    #expect(try await network.balancer.xdpProgram() == nil)
}
