import Balancer
import Foundation

/// Where the agent keeps what users set by command, so that it outlives the agent. A line with a checksum, then
/// a StateText; it is replaced as a whole, so that a crash leaves the old one or the new one.
struct StateFile: Sendable {
    let path: String
    private var text = StateText()
    /// What has been written last.
    private var written: Data?

    init(path: String) {
        self.path = path
    }

    private static let magic = "l4lb-state 2"

    /// Nil where there is none.
    func read() throws(AgentError) -> SavedState? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw AgentError("--state: cannot read \(path): \(String(cString: strerror(errno)))")
        }
        let lines = data.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        guard lines.count == 2, String(decoding: lines[0], as: UTF8.self) == Self.header(of: lines[1]),
            let state = StateText.read(lines[1])
        else {
            throw AgentError(
                "--state: \(path) is damaged, or of another version: put a good copy in its place, or remove it to begin without services"
            )
        }
        return state
    }

    /// Writes what there is now, unless the file has it already. Returns when it is on the disk.
    mutating func save(
        _ state: DesiredState, indices: BackendIndices, serviceIDs: [Frontend: UInt16], down: [BackendKey: String] = [:]
    ) throws {
        let now = try text.text(of: state, indices: indices, serviceIDs: serviceIDs, down: down)
        guard now != written else { return }
        try write(now)
        written = now
    }

    private func write(_ text: Data) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let temporary = path + ".new"
            let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
            try handle.write(contentsOf: Data((Self.header(of: text) + "\n").utf8) + text)
            try handle.synchronize()
            try handle.close()
            guard rename(temporary, path) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            // The name itself is kept by its directory.
            let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            if directory >= 0 {
                fsync(directory)
                close(directory)
            }
        } catch {
            throw AgentError("--state: cannot write \(path): \(error.localizedDescription)")
        }
    }

    private static func header(of text: Data) -> String { "\(magic) \(Checksum(text).text)" }
}
