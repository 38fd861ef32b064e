import Foundation
import Synchronization

/// An IPv4 address and port as the kernel takes it.
private func withAddress<Result>(
    _ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    inet_pton(AF_INET, address, &name.sin_addr)
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafePointer(to: &name) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) } }
}

private func text(_ address: in_addr) -> String {
    withUnsafeBytes(of: address) { $0.map(String.init).joined(separator: ".") }
}

private func limit(_ descriptor: Int32, milliseconds: Int) {
    var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
        setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
}

/// A client's socket that is connected; nothing it does takes longer than its limit.
final class ClientSocket: Sendable {
    private let descriptor: Int32

    /// UDP asks for nothing yet, TCP for a connection.
    init(
        _ type: __socket_type, from host: Host, to address: String, _ port: UInt16, protocol number: Int32 = 0,
        within milliseconds: Int = 5000
    ) throws {
        descriptor = try host.socket(type, protocol: number)
        limit(descriptor, milliseconds: milliseconds)
        guard withAddress(address, port, { connect(descriptor, $0, $1) }) == 0 else {
            let cause = String(cString: strerror(errno))
            close(descriptor)
            throw Failure("\(host.address): cannot connect to \(address):\(port): \(cause)")
        }
    }

    deinit {
        close(descriptor)
    }

    /// The client's own address and port, as `dumpstate` shows it.
    var name: String {
        var name = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &name) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return "\(text(name.sin_addr)):\(UInt16(bigEndian: name.sin_port))"
    }

    func send(_ text: [UInt8]) throws {
        guard Glibc.send(descriptor, text, text.count, Int32(MSG_NOSIGNAL)) == text.count else {
            throw Failure("cannot send: \(String(cString: strerror(errno)))")
        }
    }

    /// What comes next; empty at the end of a TCP stream.
    func receive() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw Failure("nothing received: \(String(cString: strerror(errno)))") }
        return Array(bytes[..<count])
    }

    /// One more page over a connection that stays open.
    func page(_ path: String = "/") throws -> String {
        try send(Array("GET \(path) HTTP/1.1\r\nHost: l4lb\r\n\r\n".utf8))
        var answer = ""
        while true {
            let bytes = try receive()
            guard !bytes.isEmpty else { throw Failure("the connection has ended") }
            answer += String(decoding: bytes, as: UTF8.self)
            guard let head = answer.range(of: "\r\n\r\n") else { continue }
            let length = answer.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
                .flatMap { Int($0.dropFirst(16)) }
            let body = answer[head.upperBound...]
            if body.utf8.count >= length ?? 0 { return body.trimmingCharacters(in: .newlines) }
        }
    }

    /// Sends a datagram and gives the answer to it.
    func ask(_ text: String) throws -> String {
        try send(Array(text.utf8))
        return String(decoding: try receive(), as: UTF8.self)
    }
}

extension Host {
    /// The page over a connection of its own, which ends with it.
    func fetch(_ address: String, _ port: UInt16 = 80, _ path: String = "/") throws -> String {
        try ClientSocket(SOCK_STREAM, from: self, to: address, port).page(path)
    }

    /// Whether an echo request is answered.
    func pings(_ address: String) async throws -> Bool {
        try await shell("echo 0 0 >/proc/sys/net/ipv4/ping_group_range")
        let socket = try ClientSocket(
            SOCK_DGRAM, from: self, to: address, 0, protocol: Int32(IPPROTO_ICMP), within: 2000)
        // The kernel fills in the identifier and the checksum.
        try socket.send([8, 0, 0, 0, 0, 0, 0, 1] + Array("l4lb".utf8))
        guard let answer = try? socket.receive() else { return false }
        return answer.count == 12 && answer[0] == 0 && answer[8...].elementsEqual("l4lb".utf8)
    }
}

/// Answers each datagram with the server's address, the sender's, and the text.
final class UDPEcho: Sendable {
    private let isStopped = Mutex(false)
    private let ended = DispatchSemaphore(value: 0)

    /// Bound to one address, so that it answers from it.
    init(on host: Host, at address: String, _ port: UInt16) throws {
        let descriptor = try host.socket(SOCK_DGRAM)
        limit(descriptor, milliseconds: 100)
        guard withAddress(address, port, { bind(descriptor, $0, $1) }) == 0 else {
            let cause = String(cString: strerror(errno))
            close(descriptor)
            throw Failure("\(host.address): cannot bind to \(address):\(port): \(cause)")
        }
        let label = host.address
        Thread { [self] in
            var bytes = [UInt8](repeating: 0, count: 65536)
            while !isStopped.withLock({ $0 }) {
                var sender = sockaddr_in()
                var size = socklen_t(MemoryLayout<sockaddr_in>.size)
                withUnsafeMutablePointer(to: &sender) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                        let count = recvfrom(descriptor, &bytes, bytes.count, 0, name, &size)
                        guard count >= 0 else { return }
                        let from = UnsafeRawPointer(name).loadUnaligned(as: sockaddr_in.self)
                        let answer = Array("\(label) \(text(from.sin_addr)) ".utf8) + bytes[..<count]
                        sendto(descriptor, answer, answer.count, 0, name, size)
                    }
                }
            }
            close(descriptor)
            ended.signal()
        }.start()
    }

    func stop() {
        isStopped.withLock { $0 = true }
        ended.wait()
    }
}
