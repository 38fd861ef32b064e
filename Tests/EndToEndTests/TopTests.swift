import Foundation
import Synchronization
import Testing

extension EndToEnd {
    @Suite("l4lb top", .network(.oneLink, backends: 2))
    struct Top {
        /// Requests one after the other until the work has ended.
        private func underTraffic(_ work: () async throws -> Void) async throws {
            let network = try Network.current
            let traffic = Task {
                while !Task.isCancelled { _ = try? await network.client.curl(network.url) }
            }
            defer { traffic.cancel() }
            try await work()
            traffic.cancel()
            await traffic.value
        }

        enum Ending: CaseIterable, Sendable {
            case key, interruptKey, terminate
        }

        @Test("It shows what goes on, and gives the terminal back", arguments: Ending.allCases)
        func live(ending: Ending) async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                try await underTraffic {
                    let terminal = try TopTerminal(words: agent.words(ofCommand: "top"))
                    try await eventually("top has taken the terminal") { terminal.settings != terminal.found }
                    // ID, frontend, mode, connections, new a second.
                    let row = /1 +198\.51\.100\.7:80\/tcp +snat +[0-9]+ +[1-9][0-9.k]*/
                    try await eventually("a rate above 0") { terminal.shown.firstMatch(of: row) != nil }
                    #expect(terminal.shown.contains(network.backends[0].address))
                    terminal.type("/nothing\r")
                    try await eventually("the filter") { terminal.shown.contains("l4lb top: 0 services") }
                    switch ending {
                    case .key: terminal.type("q")
                    case .interruptKey: terminal.type("\u{3}")
                    case .terminate: terminal.child.signal(SIGTERM)
                    }
                    #expect(try await terminal.child.end(within: .seconds(10)) == 0)
                    #expect(terminal.settings == terminal.found)
                    try await eventually("the screen as it was") {
                        terminal.shown.hasSuffix("\u{1b}[?25h\u{1b}[?1049l")
                    }
                }
            }
        }

        @Test("Without a terminal it prints text, so often as was asked for") func batch() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                try await underTraffic {
                    let text = try await agent.done("top -n 2")
                    #expect(text.matches(of: /l4lb top: 1 services, 2 backends/).count == 2)
                    #expect(text.firstMatch(of: /1 +198\.51\.100\.7:80\/tcp +snat +[0-9]+ +[1-9]/) != nil)
                    #expect(!text.contains("\u{1b}"))
                    let json = try await agent.done("top -o json")
                    #expect(json.hasPrefix("{\"services\":[{") && json.contains("\"new_per_second\":"))
                    #expect(json.contains("\"backend\":\"\(network.backends[0].address):80\""))
                }
                let wrong = try await agent.command("top -n 0")
                #expect(wrong.status == 2 && wrong.errors.hasPrefix("error: --iterations: 0 is not a number"))
            }
        }
    }
}

/// A program at a terminal of 30 rows.
private final class TopTerminal: Sendable {
    let child: Child
    private let keyboard, terminal: Int32
    private let screen = Screen()
    let found: [tcflag_t]

    private final class Screen: Sendable {
        let bytes = Mutex<[UInt8]>([])
    }

    init(words: [String]) throws {
        var (near, far): (Int32, Int32) = (-1, -1)
        var size = winsize(ws_row: 30, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&near, &far, nil, nil, &size) == 0 else { throw Failure("no pseudo-terminal") }
        (keyboard, terminal) = (near, far)
        found = Self.settings(of: far)
        let (screen, copy) = (screen, dup(near))
        child = try Child(words, input: .terminal(String(cString: ttyname(far))), environment: ["TERM": "xterm"])
        Thread {
            var chunk = [UInt8](repeating: 0, count: 65536)
            while case let count = Glibc.read(copy, &chunk, chunk.count), count > 0 {
                screen.bytes.withLock { $0 += chunk[..<count] }
            }
            close(copy)
        }.start()
    }

    deinit {
        child.signal(SIGKILL)
        close(terminal)
        close(keyboard)
    }

    var shown: String { screen.bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    var settings: [tcflag_t] { Self.settings(of: terminal) }

    func type(_ keys: String) {
        let bytes = Array(keys.utf8)
        _ = write(keyboard, bytes, bytes.count)
    }

    private static func settings(of terminal: Int32) -> [tcflag_t] {
        var found = termios()
        tcgetattr(terminal, &found)
        return [found.c_iflag, found.c_oflag, found.c_lflag]
    }
}
