import Foundation

/// A host of a test's network: a network namespace with the interface eth0.
struct Host: Sendable {
    let namespace: String
    let address: String

    /// Its IPv6 address, where the network has that: it ends as the IPv4 one does.
    var address6: String { "2001:db8:71::\(address.split(separator: ".").last ?? "")" }

    var path: String { "/run/netns/\(namespace)" }

    /// The words of a command that runs in this host. Not `ip netns exec`, which would give it a
    /// /sys without the bpf filesystem.
    func command(_ words: [String]) -> [String] {
        ["nsenter", "--net=\(path)", "--"] + words
    }

    @discardableResult
    func shell(_ lines: String) async throws -> String {
        let finished = try await run(command(["sh", "-euc", lines]))
        guard finished.status == 0 else { throw Failure("\(namespace): \(lines): \(finished.errors)") }
        return finished.output
    }

    /// What curl gives: the page, or nil where there is none within the time.
    func curl(_ url: String, within seconds: Int = 5) async throws -> String? {
        let finished = try await run(command(["curl", "-fsS", "--max-time", "\(seconds)", url]))
        return finished.status == 0 ? finished.output.trimmingCharacters(in: .newlines) : nil
    }

    /// A socket of this host: it stays one, whichever thread uses it.
    func socket(_ type: __socket_type, protocol number: Int32 = 0) throws -> Int32 {
        let path = path
        let made = Made()
        let thread = Thread {
            typealias SetNS = @convention(c) (Int32, Int32) -> Int32
            let setns = gnuFunction("setns", as: SetNS.self)
            let namespace = open(path, O_RDONLY | O_CLOEXEC)
            if setns(namespace, 0) == 0 {
                made.descriptor = Glibc.socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), number)
            }
            made.errno = errno
            close(namespace)
            made.done.signal()
        }
        thread.start()
        made.done.wait()
        guard made.descriptor >= 0 else {
            throw Failure("\(namespace): no socket: \(String(cString: strerror(made.errno)))")
        }
        return made.descriptor
    }

    // The semaphore orders the two threads.
    private final class Made: @unchecked Sendable {
        let done = DispatchSemaphore(value: 0)
        var descriptor: Int32 = -1
        var errno: Int32 = 0
    }

    /// Whether an XDP program is on eth0, and which.
    func xdpProgram() async throws -> String? {
        let link = try await shell("ip -d link show dev eth0")
        return link.split(separator: "\n").first { $0.contains("prog/xdp") }.map(String.init)
    }

    /// The processes that run in it.
    func processes() async throws -> [Int32] {
        try await EndToEndTests.shell("ip netns pids \(namespace)").split(separator: "\n").compactMap { Int32($0) }
    }
}
