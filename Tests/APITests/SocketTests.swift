import Foundation
import Testing

@testable import API

@Suite struct SocketTests {
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("l4lb-socket-\(UUID().uuidString.prefix(8))").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    private func error(at path: String) async throws -> APIError {
        try await #require(throws: APIError.self) {
            let server = try await APIServer(at: SocketFile(path), of: MemoryBalancer())
            await server.stop()
        }
    }

    @Test("the socket is its owner's and its group's, its folder is made, and it goes at the end")
    func life() async throws {
        try await withFolder { folder in
            let path = "\(folder)/run/s"
            let server = try await APIServer(at: SocketFile(path), of: MemoryBalancer())
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o660)
            #expect(attributes[.type] as? FileAttributeType == .typeSocket)
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/run") == ["s"])
            await server.stop()
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/run") == [])
        }
    }

    @Test("the socket of an agent that lives is an error that names the process, and stays its")
    func taken() async throws {
        try await withFolder { folder in
            let file = try SocketFile("\(folder)/s")
            let server = try await APIServer(at: file, of: MemoryBalancer())
            let error = try await error(at: file.path)
            #expect(
                error.message == "--socket: process \(getpid()) answers at \(file.path): end it, or give another path")
            #expect(try await exchange(file, "GET", "/healthz").status == 200)
            await server.stop()
        }
    }

    @Test("the socket of a dead agent is replaced")
    func stale() async throws {
        try await withFolder { folder in
            let file = try SocketFile("\(folder)/s")
            try await blocking { try bindAndForget(file.path) }
            #expect(file.silence().why == .nobody)
            let server = try await APIServer(at: file, of: MemoryBalancer())
            #expect(try await exchange(file, "GET", "/healthz").status == 200)
            await server.stop()
        }
    }

    @Test("a file that is no socket is left alone, and so is what another agent has put there since")
    func others() async throws {
        try await withFolder { folder in
            let path = "\(folder)/s"
            #expect(FileManager.default.createFile(atPath: path, contents: nil))
            #expect(try await error(at: path).message.contains("is no socket: remove it"))
            #expect(FileManager.default.fileExists(atPath: path))
            try FileManager.default.removeItem(atPath: path)
            let server = try await APIServer(at: SocketFile(path), of: MemoryBalancer())
            try FileManager.default.removeItem(atPath: path)
            #expect(FileManager.default.createFile(atPath: path, contents: nil))
            await server.stop()
            #expect(FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("a path that cannot be is refused", arguments: ["", String(repeating: "x", count: 81)])
    func path(text: String) throws {
        let error = try #require(throws: APIError.self) { _ = try SocketFile(text) }
        #expect(error.code == .invalid && error.message.hasPrefix("--socket: "))
    }

    @Test("a folder that cannot be made is named")
    func folder() async throws {
        #expect(try await error(at: "/proc/none/s").message.hasPrefix("--socket: cannot make /proc/none: "))
    }
}

/// What an agent leaves that was killed.
private func bindAndForget(_ path: String) throws {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let status = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    try #require(status == 0)
}
