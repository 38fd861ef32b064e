import Foundation
import Logging
import Synchronization

/// Where the log goes: to a file where one is given; what a user has to know is also kept until
/// the next prompt, as nothing may be printed after a prompt until the user types.
final class EventLog: Sendable {
    private let pending = Mutex<[String]>([])
    /// A prompt that nobody types at must not fill the memory.
    private static let limit = 100

    /// A service's log goes to standard error where no file is given, for the journal.
    func logger(file: String?, isService: Bool = false) throws -> Logger {
        var handle: FileHandle?
        if let file {
            guard
                FileManager.default.fileExists(atPath: file)
                    || FileManager.default.createFile(atPath: file, contents: nil),
                let opened = FileHandle(forWritingAtPath: file)
            else { throw UsageError(description: "--log-file: cannot write \(file)") }
            _ = try? opened.seekToEnd()
            handle = opened
        }
        if isService, handle == nil { handle = .standardError }
        let file = handle
        return Logger(label: "l4lb") { _ in Handler(events: self, file: file) }
    }

    func add(_ line: String) {
        pending.withLock {
            // What the timer meets every second is told once.
            if $0.count < Self.limit, !$0.contains(line) { $0.append(line) }
        }
    }

    /// What has happened since the last prompt.
    func take() -> [String] {
        pending.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }

    private struct Handler: LogHandler {
        let events: EventLog
        let file: FileHandle?
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            if event.level >= .warning {
                events.add("\(event.level == .warning ? "warning" : "error"): \(event.message)")
            }
            let time = Date.now.formatted(.iso8601)
            try? file?.write(contentsOf: Data("\(time) \(event.level) \(event.message)\n".utf8))
        }
    }
}
