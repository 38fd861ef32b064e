import Foundation
import Testing

@testable import API

/// A server on a socket of its own, with one service.
func withServer(
    bodyTime: Duration = APIResponder.defaultBodyTime,
    _ body: (SocketFile, MemoryBalancer) async throws -> Void
) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "l4lb-api-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = try SocketFile(folder.appendingPathComponent("s").path)
    let balancer = MemoryBalancer()
    _ = try await balancer.update(.init(.init(id: "1", frontend: "40.1.1.1:80", backends: "20.1.1.10:80,20.1.1.20:80")))
    let server = try await APIServer(at: file, of: balancer, bodyTime: bodyTime)
    do {
        try await body(file, balancer)
    } catch {
        await server.stop()
        throw error
    }
    await server.stop()
}

/// What a server has sent.
struct Answer {
    var status: Int
    var headers: [String: String]
    var body: Data

    /// The last of several.
    init?(_ bytes: [UInt8]) {
        let data = Data(bytes)
        guard let end = data.range(of: Data("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: data[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, words[0] == "HTTP/1.1" || words[0] == "HTTP/1.0", let status = Int(words[1]) else {
            return nil
        }
        self.status = status
        headers = Dictionary(
            lines.dropFirst().compactMap { line in
                line.firstIndex(of: ":").map {
                    (line[..<$0].lowercased(), line[line.index(after: $0)...].trimmingCharacters(in: .whitespaces))
                }
            }, uniquingKeysWith: { first, _ in first })
        body = data[end.upperBound...]
    }

    var error: APIError? { (try? JSON.report(ErrorReport.self, from: body))?.error }
}

/// A connection by hand. Its calls block, so it is used from threads of its own.
final class RawConnection: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(status == 0, "connect: \(String(cString: strerror(errno)))")
        var time = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// As much of it as the server takes.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    func sendEnd() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Everything up to the end; nil where the server says and ends nothing for 20 seconds.
    func receive() -> [UInt8]? {
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count > 0 {
                received += chunk[..<count]
            } else {
                return count == 0 || errno == ECONNRESET ? received : nil
            }
        }
    }
}

/// Work that blocks, away from the threads that tasks share.
func blocking<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Swift.Result { try work() }) }.start()
    }
}

/// One request and its answer.
func exchange(
    _ file: SocketFile, _ method: String, _ path: String, body: String? = nil, headers: [String] = []
) async throws -> Answer {
    let length = body.map { ["Content-Length: \($0.utf8.count)"] } ?? []
    let head = ["\(method) \(path) HTTP/1.1", "Host: l4lb", "Connection: close"] + length + headers
    let request = Array((head.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")).utf8)
    let bytes = try await blocking {
        let connection = try RawConnection(file.path)
        connection.send(request)
        return connection.receive()
    }
    let received = try #require(bytes)
    return try #require(Answer(received))
}
