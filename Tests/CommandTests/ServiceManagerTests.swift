import Foundation
import Testing

@testable import l4lb

@Suite struct ServiceManagerTests {
    /// A datagram socket as systemd makes one, at a path or, with an @, in the abstract namespace.
    private final class Listener {
        let path: String
        private let descriptor: Int32

        init(_ path: String) throws {
            self.path = path
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let name = path.hasPrefix("@") ? [0] + Array(path.utf8.dropFirst()) : Array(path.utf8)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count + (path.hasPrefix("@") ? 0 : 1))
            let status = withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
            }
            try #require(status == 0, "\(path): \(String(cString: strerror(errno)))")
        }

        /// Within ten seconds. It does not block, as the sender needs the threads too.
        func receive() async throws -> String {
            var bytes = [UInt8](repeating: 0, count: 256)
            for _ in 0..<1000 {
                let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
                if count > 0 { return String(decoding: bytes.prefix(count), as: UTF8.self) }
                try await Task.sleep(for: .milliseconds(10))
            }
            return ""
        }

        deinit {
            close(descriptor)
            if path.hasPrefix("/") { unlink(path) }
        }
    }

    static let places = [
        FileManager.default.temporaryDirectory.appendingPathComponent("l4lb-n-\(getpid())").path, "@l4lb-n-\(getpid())",
    ]

    @Test("systemd is told at the socket that it names", arguments: places)
    func tell(path: String) async throws {
        let listener = try Listener(path)
        ServiceManager(environment: ["NOTIFY_SOCKET": path]).tell("READY=1")
        #expect(try await listener.receive() == "READY=1")
    }

    @Test("systemd is told when the file is read again, with the time of its own clock")
    func reloading() async throws {
        let listener = try Listener("@l4lb-r-\(getpid())")
        ServiceManager(environment: ["NOTIFY_SOCKET": listener.path]).reloading()
        let lines = try await listener.receive().split(separator: "\n")
        #expect(lines.count == 2 && lines[0] == "RELOADING=1")
        let time = try #require(UInt64(lines[1].dropFirst("MONOTONIC_USEC=".count)))
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        #expect(time > 0 && time <= UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000)
    }

    @Test("signs of life are given for as long as the agent answers, at twice the rate that is asked for")
    func watchdog() async throws {
        let listener = try Listener("@l4lb-w-\(getpid())")
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": listener.path, "WATCHDOG_USEC": "20000"])
        #expect(manager.interval == .milliseconds(10))
        let watch = try #require(manager.watch {})
        for _ in 0..<3 { #expect(try await listener.receive() == "WATCHDOG=1") }
        watch.cancel()
    }

    @Test(
        "where nobody waits for signs of life there are none",
        arguments: [[:], ["WATCHDOG_USEC": "x"], ["WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"]])
    func nobodyWaits(environment: [String: String]) {
        let manager = ServiceManager(environment: environment)
        #expect(manager.interval == nil)
        #expect(manager.watch {} == nil)
        manager.tell("READY=1")
    }
}
