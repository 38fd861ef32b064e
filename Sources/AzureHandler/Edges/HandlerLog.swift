import Foundation

/// The handler's log in the agent's folder, and on standard output, of which the agent shows 3200 characters where a
/// command fails.
final class HandlerLog: Sendable {
    static let fileName = "l4lb-handler.log"
    /// Bytes after which it begins anew; the one before is kept.
    static let limit = 1 << 20

    private let path: String
    private let prefix: String

    init(folder: String, operation: String, version: String) {
        path = "\(folder)/\(Self.fileName)"
        prefix = "\(operation)[\(getpid())] \(version)"
    }

    func info(_ text: String) { write("INFO", text) }
    func error(_ text: String) { write("ERROR", text) }

    private func write(_ level: String, _ text: String) {
        let line = "\(StatusFile.text(Date())) \(level) \(prefix): \(text.replacing("\n", with: "\n    "))\n"
        FileHandle.standardOutput.write(Data(line.utf8))
        if (Files.size(path) ?? 0) + line.utf8.count > Self.limit { rename(path, path + ".1") }
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try? file.write(contentsOf: Data(line.utf8))
    }
}
