import Foundation
import Testing

/// The agent as a service, whose packet path outlives it, with a bpf filesystem of its own. Commands come over its
/// socket.
final class ServiceAgent {
    let host: Host
    let folder: String
    private var child: Child?

    var root: String { folder + "/bpf" }
    var state: String { folder + "/state" }
    var socket: String { folder + "/l4lb.sock" }
    var log: String { (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? "" }
    var pid: pid_t? { child?.pid }

    init(on host: Host) async throws {
        self.host = host
        let name = "l4lb-s-\(UUID().uuidString.prefix(8))"
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        try await shell("mkdir -p \(root) && mount -t bpf bpf \(root)")
    }

    /// The words of the agent itself.
    func words(_ more: [String] = [], socket: String? = nil) -> [String] {
        let own = [
            "--no-repl", "--device=eth0", "--bpf-root=\(root)", "--state=\(state)",
            "--socket=\(socket ?? self.socket)",
        ]
        return host.command(
            [Program.path, "agent"] + own + ["--log-file=\(folder)/log", "--flow-table-size=65536"] + more)
    }

    func start(_ more: String...) async throws { try await start(more) }

    func start(_ more: [String]) async throws {
        // One that is killed leaves the compiler's files, which go with the folder.
        let child = try Child(words(more), environment: ["TMPDIR": folder])
        self.child = child
        try await eventually("the agent answers", within: .seconds(20), every: .milliseconds(20)) {
            guard child.isRunning else { throw Failure("the agent has ended: \(log)") }
            return try await command("mode get").status == 0
        }
    }

    /// An agent that is not to come up.
    func refused(_ more: String...) async throws -> String {
        let finished = try await EndToEndTests.run(words(more, socket: folder + "/other.sock"))
        guard finished.status == 1, finished.errorLines.count == 1 else {
            throw Failure("expected one line of error and 1, not \(finished)")
        }
        return finished.errorLines[0]
    }

    func crash() async throws {
        child?.signal(SIGKILL)
        try await child?.end()
        child = nil
    }

    /// As `systemctl reload` says it.
    func hangUp() {
        child?.signal(SIGHUP)
    }

    /// As systemd ends it; its exit code.
    func end() async throws -> Int32? {
        child?.signal(SIGTERM)
        defer { child = nil }
        return try await child?.end(within: .seconds(15))
    }

    func command(_ line: String) async throws -> Finished {
        try await EndToEndTests.run(words(ofCommand: line))
    }

    func words(ofCommand line: String) -> [String] {
        host.command([Program.path] + line.split(separator: " ").map(String.init) + ["--socket=\(socket)"])
    }

    @discardableResult
    func done(_ line: String) async throws -> String {
        let finished = try await command(line)
        guard finished.status == 0 else { throw Failure("\(line): \(finished.errors)") }
        return finished.output.trimmingCharacters(in: .newlines)
    }

    func read<Report: Decodable>(_ type: Report.Type, _ line: String) async throws -> Report {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(try await done("\(line) -o json").utf8))
    }

    func dump() async throws -> DumpState { try await read(DumpState.self, "service dumpstate --id 1") }

    func detach() async throws -> Finished {
        try await EndToEndTests.run(host.command([Program.path, "detach", "--bpf-root=\(root)"]))
    }

    /// Entries of a map that hold anything but zeros.
    func entries(_ map: String) async throws -> Int {
        let text = try await shell("bpftool -j map dump pinned \(root)/l4lb/maps/\(map)")
        struct Entry: Decodable { var key, value: [String]? }
        let entries = try JSONDecoder().decode([Entry].self, from: Data(text.utf8))
        return entries.count { $0.value?.contains { $0 != "0x00" } ?? true }
    }

    /// Ends everything, whatever state it is in.
    func remove() async throws {
        _ = try? await end()
        _ = try? await detach()
        try await shell("umount \(root); rm -rf \(folder)")
    }
}

/// Runs a service for all web servers, and takes all of it away.
func withServiceAgent(_ body: (ServiceAgent) async throws -> Void) async throws {
    let network = try Network.current
    let agent = try await ServiceAgent(on: network.balancer)
    do {
        try await agent.start()
        try await agent.done(
            "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1")
        try await body(agent)
    } catch {
        try? await agent.remove()
        throw error
    }
    try await agent.remove()
    #expect(try await network.balancer.xdpProgram() == nil)
}
