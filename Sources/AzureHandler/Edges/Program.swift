import Foundation
import Subprocess

/// Programs that are run to their end, without a shell.
enum Program {
    struct Outcome: Sendable {
        /// 128 and the number for one that a signal has ended, -1 where it does not exist.
        var status: Int32
        /// Of both kinds.
        var text: String

        var isGood: Bool { status == 0 }
        /// The last of its lines, for a message.
        var lastLine: String { text.split(whereSeparator: \.isNewline).last.map(String.init) ?? "status \(status)" }
    }

    private static let outputLimit = 1 << 20

    /// A name is looked for in PATH.
    static func run(_ name: String, _ arguments: [String], seconds: Int = 60) async -> Outcome {
        await bounded(seconds, late: Outcome(status: 124, text: "not at its end after \(seconds) s")) {
            do {
                let result = try await Subprocess.run(
                    executable(name), arguments: Arguments(arguments), output: .string(limit: outputLimit),
                    error: .combinedWithOutput)
                return Outcome(status: code(result.terminationStatus), text: result.standardOutput)
            } catch {
                return Outcome(status: -1, text: "\(error)")
            }
        }
    }

    /// Standard input and output by pipes alone; what it says on standard error is not kept. Nil where it fails.
    static func filter(_ name: String, _ arguments: [String], input: Data, seconds: Int = 30) async -> Data? {
        let bytes = [UInt8](input)
        return await bounded(seconds, late: nil) {
            let result = try? await Subprocess.run(
                executable(name), arguments: Arguments(arguments), input: .array(bytes),
                output: .bytes(limit: outputLimit), error: .discarded)
            guard let result, code(result.terminationStatus) == 0 else { return nil }
            return Data(result.standardOutput)
        }
    }

    /// One that is late is killed.
    private static func bounded<Value: Sendable>(
        _ seconds: Int, late: Value, _ work: @escaping @Sendable () async -> Value
    ) async -> Value {
        await withTaskGroup(of: Value.self) { group in
            group.addTask { await work() }
            group.addTask {
                try? await Task.sleep(for: .seconds(seconds))
                return late
            }
            let first = await group.next() ?? late
            group.cancelAll()
            return first
        }
    }

    private static func executable(_ name: String) -> Executable {
        name.hasPrefix("/") ? .path(.init(name)) : .name(name)
    }

    private static func code(_ status: TerminationStatus) -> Int32 {
        switch status {
        case .exited(let code): Int32(code)
        case .signaled(let number): 128 + Int32(number)
        }
    }
}
