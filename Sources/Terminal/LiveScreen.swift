import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A terminal that is drawn on as a whole, on its alternate screen, and whose keys come one by one. `end` gives it back
/// as it was found.
public final class LiveScreen: Sendable {
    private let settings: TerminalSettings
    private let input, output: Int32
    private let wake = WakePipe()
    private let hasEnded = Mutex(false)
    /// Ends with the terminal, or with the screen.
    public let keys: AsyncStream<Key>

    /// Nil where that cannot be: no terminal, or one that cannot move its cursor.
    public init?(terminalType: String?, input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO) {
        guard let terminalType, !["", "dumb"].contains(terminalType), isatty(output) == 1,
            let settings = TerminalSettings(of: input)
        else { return nil }
        self.settings = settings
        self.input = input
        self.output = output
        let (keys, arrived) = AsyncStream.makeStream(of: Key.self)
        self.keys = keys
        settings.setForReading()
        // The alternate screen, no cursor.
        write("\u{1b}[?1049h\u{1b}[?25l")
        // Reading blocks, so it has a thread of its own.
        let wake = wake
        DispatchQueue(label: "l4lb.keys").async {
            Self.read(input, wake) { arrived.yield($0) }
            arrived.finish()
        }
    }

    deinit { end() }

    /// Columns and rows; 80 by 24 where the terminal does not say.
    public var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard unsafe ioctl(output, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Draws lines from the top on; `title`: the one that stands out. They have to fit the size.
    public func draw(_ lines: [String], title: Int?) {
        let rows = lines.enumerated().map { place, line in
            (place == title ? "\u{1b}[7m\(line)\u{1b}[0m" : line) + "\u{1b}[K"
        }
        write("\u{1b}[H" + rows.joined(separator: "\r\n") + "\u{1b}[J")
    }

    /// Callable at any time, from any thread.
    public func end() {
        guard
            hasEnded.withLock({ ended in
                defer { ended = true }
                return !ended
            })
        else { return }
        write("\u{1b}[?25h\u{1b}[?1049l")
        settings.restore()
        wake.send(.stop)
    }

    private func write(_ text: String) { writeAll(Array(text.utf8), to: output) }

    /// Milliseconds after which an escape is a key of its own.
    private static let escapeTime: Int32 = 50

    private static func read(_ input: Int32, _ wake: WakePipe, _ arrived: (Key) -> Void) {
        var reader = KeyReader()
        var isPending = false
        while true {
            var ready = [
                pollfd(fd: input, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wake.readEnd, events: Int16(POLLIN), revents: 0),
            ]
            let count = unsafe poll(&ready, nfds_t(ready.count), isPending ? escapeTime : -1)
            if count < 0, errno == EINTR { continue }
            guard count >= 0, ready[1].revents == 0 else { return }
            if count == 0 {
                for key in reader.pause() { arrived(key) }
                isPending = false
                continue
            }
            var bytes = [UInt8](repeating: 0, count: 256)
            let length = systemRead(input, &bytes)
            if length < 0, errno == EINTR || errno == EAGAIN { continue }
            guard length > 0 else { return }
            for key in reader.take(bytes[..<length]) { arrived(key) }
            isPending = true
        }
    }
}

/// Within a type that has a `read` of its own.
private func systemRead(_ descriptor: Int32, _ bytes: inout [UInt8]) -> Int {
    unsafe read(descriptor, &bytes, bytes.count)
}
