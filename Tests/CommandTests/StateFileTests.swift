import Balancer
import Foundation
import Testing

@testable import Agent

@Suite struct StateFileTests {
    /// In a directory of its own, which is made by the first write.
    private func withFile(_ body: (inout StateFile) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("l4lb-state-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        var file = StateFile(path: folder.appendingPathComponent("lib/state").path)
        try body(&file)
    }

    private let indices = BackendIndices(capacity: 8)

    private func state(_ frontends: [String]) throws -> DesiredState {
        var state = DesiredState(mode: .dsr)
        for frontend in frontends {
            let texts = ServiceRequest.Texts(frontend: frontend, backends: "20.1.1.10:80")
            _ = try state.update(ServiceRequest(texts), origin: .command)
        }
        return state
    }

    @Test("what was written is read, nothing else lies beside it, and nobody but root reads it")
    func roundTrip() throws {
        try withFile { file in
            #expect(try file.read() == nil)
            for frontends in [["40.1.1.1:80", "40.1.1.2:80"], ["40.1.1.2:80"], []] {
                let state = try state(frontends)
                try file.save(state, indices: indices, serviceIDs: [:])
                #expect(try file.read() == SavedState(state, indices: indices, serviceIDs: [:]))
            }
            let folder = URL(fileURLWithPath: file.path).deletingLastPathComponent().path
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["state"])
            let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test("a text that grew with its changes is the one that is written at once, and comes back as the state")
    func text() throws {
        var (grown, indices) = (StateText(), indices)
        var state = DesiredState(mode: .snat)
        for (frontend, backends) in [
            ("40.1.1.1:80", "20.1.1.10:80"), ("40.1.1.2:80", "20.1.1.10:80,20.1.1.20:80"),
            ("40.1.1.1:80", "20.1.1.20:80"), ("40.1.1.3:80/udp", "20.1.1.30:80"), ("40.1.1.1:80", "20.1.1.10:80"),
        ] {
            let request = try ServiceRequest(.init(frontend: frontend, backends: backends))
            let service = try state.update(request, origin: .command).service
            for backend in service.backends {
                _ = indices.index(for: BackendKey(frontend: service.frontend, backend: backend.endpoint))
            }
            let ids: [Frontend: UInt16] = [service.frontend: service.id]
            let text = try grown.text(of: state, indices: indices, serviceIDs: ids)
            var fresh = StateText()
            #expect(try fresh.text(of: state, indices: indices, serviceIDs: ids) == text)
            let saved = try #require(StateText.read(text))
            #expect(try saved.restored(mapMax: state.mapMax)?.state == state)
            #expect(try saved.restored(mapMax: state.mapMax)?.indices.all == indices.all)
        }
    }

    @Test("a file that has lost or changed a byte is refused, and named")
    func damaged() throws {
        try withFile { file in
            try file.save(state(["40.1.1.1:80"]), indices: indices, serviceIDs: [:])
            let whole = try #require(FileManager.default.contents(atPath: file.path))
            var damaged = (0..<whole.count).map { place in
                var bytes = whole
                bytes[place] ^= 1
                return bytes
            }
            damaged += [
                Data(), whole.dropLast(), Data("l4lb-state 1".utf8) + whole.dropFirst(12), whole + Data("x".utf8),
            ]
            for bytes in damaged {
                try bytes.write(to: URL(fileURLWithPath: file.path))
                let error = #expect(throws: AgentError.self) { try file.read() }
                #expect(error?.description.contains("--state: \(file.path)") == true)
            }
        }
    }
}
