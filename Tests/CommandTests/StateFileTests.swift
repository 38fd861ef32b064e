import Balancer
import Foundation
import Testing

@testable import Agent

@Suite struct StateFileTests {
    /// In a directory of its own, which is made by the first write.
    private func withFile(_ body: (StateFile) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("l4lb-state-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(StateFile(path: folder.appendingPathComponent("lib/state").path))
    }

    private let state = SavedState(DesiredState(mode: .dsr), indices: BackendIndices(capacity: 8), serviceIDs: [:])

    @Test("what was written is read, nothing else lies beside it, and nobody but root reads it")
    func roundTrip() throws {
        try withFile { file in
            #expect(try file.read() == nil)
            try file.write(state)
            try file.write(state)
            #expect(try file.read() == state)
            let folder = URL(fileURLWithPath: file.path).deletingLastPathComponent().path
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["state"])
            let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test("a file that has lost or changed a byte is refused, and named")
    func damaged() throws {
        try withFile { file in
            try file.write(state)
            let whole = try #require(FileManager.default.contents(atPath: file.path))
            var damaged = (0..<whole.count).map { place in
                var bytes = whole
                bytes[place] ^= 1
                return bytes
            }
            damaged += [
                Data(), whole.dropLast(), Data("l4lb-state 2".utf8) + whole.dropFirst(12), whole + Data("x".utf8),
            ]
            for bytes in damaged {
                try bytes.write(to: URL(fileURLWithPath: file.path))
                let error = #expect(throws: AgentError.self) { try file.read() }
                #expect(error?.description.contains("--state: \(file.path)") == true)
            }
        }
    }
}
