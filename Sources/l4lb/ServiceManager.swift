import Foundation

/// Tells systemd how far the agent is, by sd_notify(3)'s protocol; nothing where nobody has asked.
struct ServiceManager: Sendable {
    private let path: String?
    /// Half of what `WatchdogSec=` allows between two signs of life; nil: nobody waits for them.
    let interval: Duration?

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        path = environment["NOTIFY_SOCKET"].flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        let isOurs = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        interval = isOurs && microseconds > 0 ? .microseconds(microseconds / 2) : nil
    }

    /// Such as `READY=1`. That nobody listens is no error.
    func tell(_ state: String) {
        guard let path else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // An @ stands for the abstract namespace's 0.
        let name = path.hasPrefix("@") ? [0] + Array(path.utf8.dropFirst()) : Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count + (path.hasPrefix("@") ? 0 : 1))
        let bytes = Array(state.utf8)
        _ = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    /// The file is being read again; `READY=1` has to follow.
    func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        tell("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }

    /// Gives signs of life for as long as `isAlive` returns.
    func watch(_ isAlive: @escaping @Sendable () async -> Void) -> Task<Void, Never>? {
        guard let interval else { return nil }
        return Task {
            while !Task.isCancelled {
                await isAlive()
                tell("WATCHDOG=1")
                try? await Task.sleep(for: interval)
            }
        }
    }
}
