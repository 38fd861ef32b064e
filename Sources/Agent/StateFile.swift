import Balancer
import Foundation

/// Where the agent keeps what users set by command, so that it outlives the agent. A line with a checksum, then JSON;
/// it is replaced as a whole, so that a crash leaves the old one or the new one.
struct StateFile: Sendable {
    let path: String

    private static let magic = "l4lb-state 1"

    /// Nil where there is none.
    func read() throws(AgentError) -> SavedState? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw AgentError("--state: cannot read \(path): \(String(cString: strerror(errno)))")
        }
        let lines = data.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        guard lines.count == 2, String(decoding: lines[0], as: UTF8.self) == Self.header(of: lines[1]),
            let state = try? JSONDecoder().decode(SavedState.self, from: lines[1])
        else {
            throw AgentError(
                "--state: \(path) is damaged, or of another version: put a good copy in its place, or remove it to begin without services"
            )
        }
        return state
    }

    /// Returns when it is on the disk.
    func write(_ state: SavedState) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = try encoder.encode(state)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let temporary = path + ".new"
            let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
            try handle.write(contentsOf: Data((Self.header(of: json) + "\n").utf8) + json)
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

    private static func header(of json: Data) -> String { "\(magic) \(String(checksum(json), radix: 16))" }

    /// FNV-1a, 64 bits: it finds what a disk or an editor has done, not what an enemy has.
    private static func checksum(_ data: Data) -> UInt64 {
        data.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }
}
