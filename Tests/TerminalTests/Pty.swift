import Dispatch
import Synchronization

@testable import Terminal

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A user at a real pseudo-terminal, on whose other side an editor reads lines
/// until one of them ends the session.
final class Pty: Sendable {
    private let master: Int32
    let terminal: Int32
    private let screen = Screen()
    private let read = Mutex<[Line]>([])
    private let ended = DispatchSemaphore(value: 0)

    init(columns: UInt16 = 80) throws {
        var (near, far): (Int32, Int32) = (-1, -1)
        var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&near, &far, nil, nil, &size) == 0 else { throw Failure.noTerminal }
        (master, terminal) = (near, far)
        // The screen is always read, so that typing never waits for the echo.
        let (screen, copy) = (screen, dup(near))
        DispatchQueue(label: "screen").async {
            var chunk = [UInt8](repeating: 0, count: 4096)
            while case let count = systemRead(copy, &chunk), count > 0 {
                screen.bytes.withLock { $0 += chunk[..<count] }
            }
            close(copy)
        }
    }

    deinit {
        // The screen ends with the last descriptor of the terminal.
        close(terminal)
        close(master)
    }

    enum Failure: Error {
        case noTerminal
        case silent(String)
    }

    func editor(_ type: String?, historyFile: String? = nil, candidates: [String] = []) -> LineEditor {
        LineEditor(
            prompt: "l4lb> ", historyFile: historyFile, terminalType: type, input: terminal, output: terminal
        ) { line, cursor in
            let before = String(decoding: Array(line.utf8)[..<cursor], as: UTF8.self)
            let word = before.split(separator: " ", omittingEmptySubsequences: false).last ?? ""
            return Completion(word: String(word), candidates: candidates)
        }
    }

    /// Reads lines on a thread of their own until the session ends.
    func start(_ editor: LineEditor) {
        let thread = DispatchQueue(label: "reader")
        thread.async { [self] in
            while true {
                let line = editor.readLine()
                read.withLock { $0.append(line) }
                switch line {
                case .line, .tooLong: continue
                case .interrupted, .endOfInput, .stopped:
                    _ = ended.signal()
                    return
                }
            }
        }
    }

    func type(_ keys: String) { writeAll(Array(keys.utf8), to: master) }

    /// Waits for `text` on the screen, and gives what was new up to it.
    @discardableResult
    func see(_ text: String) throws -> String {
        let wanted = Array(text.utf8)
        for _ in 0..<2000 {
            let seen: [UInt8]? = screen.bytes.withLock { bytes in
                let starts = 0..<max(0, bytes.count - wanted.count + 1)
                guard let at = starts.first(where: { bytes[$0...].starts(with: wanted) }) else { return nil }
                defer { bytes.removeFirst(at + wanted.count) }
                return Array(bytes[..<(at + wanted.count)])
            }
            if let seen { return String(decoding: seen, as: UTF8.self) }
            usleep(5000)
        }
        throw Failure.silent(unseen)
    }

    var unseen: String { screen.bytes.withLock { String(decoding: $0, as: UTF8.self) } }

    /// The lines read once the session has ended; nil when it does not end.
    func lines() -> [Line]? {
        ended.wait(timeout: .now() + 10) == .success ? read.withLock { $0 } : nil
    }

    var settings: [tcflag_t] {
        var found = termios()
        tcgetattr(terminal, &found)
        return [found.c_iflag, found.c_oflag, found.c_lflag]
    }
}

private final class Screen: Sendable {
    let bytes = Mutex<[UInt8]>([])
}

private func systemRead(_ descriptor: Int32, _ chunk: inout [UInt8]) -> Int {
    read(descriptor, &chunk, chunk.count)
}

/// A folder that goes with the test.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/l4lb-terminal-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Pty.Failure.noTerminal }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in ["/state/l4lb/history", "/state/l4lb", "/state", ""] { remove(path + name) }
    }
}
