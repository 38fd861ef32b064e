import Foundation
import Testing

/// The real program among real hosts. One test at a time: most of them load the machine.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root"))
enum EndToEnd {}

/// Asks over new connections until each of the pages has come; gives how often each did.
func everyPage(
    _ pages: Set<String>, within tries: Int = 200, _ fetch: () async throws -> String?
) async throws -> [String: Int] {
    var seen: [String: Int] = [:]
    for _ in 0..<tries where Set(seen.keys) != pages {
        guard let page = try await fetch() else { throw Failure("no answer after \(seen)") }
        seen[page, default: 0] += 1
    }
    #expect(Set(seen.keys) == pages)
    return seen
}

extension Prompt {
    func dump(_ id: Int = 1) async throws -> DumpState {
        try await read(DumpState.self, "service dumpstate --id \(id)")
    }

    /// The connection of a client's socket, or the only established one.
    func connection(of client: String? = nil) async throws -> DumpState.Connection {
        let all = try await dump().connections
        let found = all.first { client == nil ? $0.state == "established" : $0.client == client }
        guard let found else { throw Failure("no connection of \(client ?? "anybody") in \(all)") }
        return found
    }

    func status() async throws -> Status {
        try await read(Status.self, "status")
    }
}
