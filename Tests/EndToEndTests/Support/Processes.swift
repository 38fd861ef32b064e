import Foundation

/// How a program ended.
struct Finished: Sendable {
    /// The exit code; 128 and the signal's number where a signal ended it.
    var status: Int32
    var output: String
    var errors: String

    var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
}

struct Failure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Functions that Glibc's module does not have, because only `_GNU_SOURCE` declares them.
func gnuFunction<Function>(_ name: String, as type: Function.Type) -> Function {
    unsafeBitCast(dlsym(nil, name), to: type)
}

/// A program that runs beside the test, in a session of its own: no signal of a terminal meets it.
final class Child: Sendable {
    let pid: pid_t

    enum Input {
        case nothing
        case descriptor(Int32)
        /// The other side of a pseudo-terminal, which becomes the controlling one.
        case terminal(String)
    }

    /// Without descriptors for its output, it is thrown away.
    init(
        _ words: [String], input: Input = .nothing, output: Int32? = nil, errors: Int32? = nil,
        environment: [String: String] = [:]
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        switch input {
        case .nothing: posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, 0)
        case .terminal(let path): posix_spawn_file_actions_addopen(&actions, 0, path, O_RDWR, 0)
        }
        for (target, descriptor) in [(Int32(1), output), (2, errors)] {
            if case .terminal = input {
                posix_spawn_file_actions_adddup2(&actions, 0, target)
            } else if let descriptor {
                posix_spawn_file_actions_adddup2(&actions, descriptor, target)
            } else {
                posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_WRONLY, 0)
            }
        }
        // What other tests have open is not this program's.
        typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
        _ = gnuFunction("posix_spawn_file_actions_addclosefrom_np", as: CloseFrom.self)(&actions, 3)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags) | Int16(0x80))  // POSIX_SPAWN_SETSID

        var variables = ProcessInfo.processInfo.environment
        variables.merge(environment) { $1 }
        let arguments = words.map { strdup($0) } + [nil]
        let settings = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + settings { free(text) } }
        var pid: pid_t = 0
        let cause = posix_spawnp(&pid, words[0], &actions, &attributes, arguments, settings)
        guard cause == 0 else { throw Failure("\(words[0]): \(String(cString: strerror(cause)))") }
        self.pid = pid
    }

    /// Waits until it ends, at most `limit`, then kills it. Gives its exit code.
    @discardableResult
    func end(within limit: Duration = .seconds(30)) async throws -> Int32 {
        let deadline = ContinuousClock.now + limit
        while true {
            if let status = reap(options: WNOHANG) { return status }
            guard ContinuousClock.now < deadline else { break }
            try? await Task.sleep(for: .milliseconds(10))
        }
        kill(pid, SIGKILL)
        _ = reap(options: 0)
        throw Failure("process \(pid) did not end within \(limit)")
    }

    var isRunning: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(pid), &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_signo == 0
    }

    func signal(_ number: Int32) {
        kill(pid, number)
    }

    private func reap(options: Int32) -> Int32? {
        var status: Int32 = 0
        guard waitpid(pid, &status, options) == pid else { return nil }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    }
}

/// Runs a program to its end, which comes within `limit` or is an error.
func run(
    _ words: [String], input: String = "", environment: [String: String] = [:], within limit: Duration = .seconds(30)
) async throws -> Finished {
    // Files and not pipes: what a program leaves running in the background may keep them open.
    let (given, output, errors) = (tmpfile()!, tmpfile()!, tmpfile()!)
    defer { for file in [given, output, errors] { fclose(file) } }
    var bytes = Array(input.utf8)
    _ = pwrite(fileno(given), &bytes, bytes.count, 0)
    let child = try Child(
        words, input: .descriptor(fileno(given)), output: fileno(output), errors: fileno(errors),
        environment: environment)
    let status = try await child.end(within: limit)
    return Finished(status: status, output: contents(of: fileno(output)), errors: contents(of: fileno(errors)))
}

private func contents(of descriptor: Int32) -> String {
    lseek(descriptor, 0, SEEK_SET)
    return String(decoding: FileHandle(fileDescriptor: descriptor).readDataToEndOfFile(), as: UTF8.self)
}

/// Runs lines of the shell, which stops at the first that fails; gives what they print.
@discardableResult
func shell(_ lines: String) async throws -> String {
    let finished = try await run(["sh", "-euc", lines])
    guard finished.status == 0 else { throw Failure("\(lines): \(finished.errors)") }
    return finished.output
}

/// Waits until it is so, looking again and again.
func eventually(
    _ what: String, within limit: Duration = .seconds(10), every pause: Duration = .milliseconds(50),
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while !(try await condition()) {
        guard ContinuousClock.now < deadline else { throw Failure("not within \(limit): \(what)") }
        try await Task.sleep(for: pause)
    }
}
