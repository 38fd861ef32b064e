import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Reads lines from a terminal, with editing, history and completion where the
/// terminal can do it. `readLine()` blocks and wants a thread of its own; the
/// other functions may be called from any thread.
///
/// The terminal's own settings come back with the last reference, or with
/// `restoreTerminal()`.
public final class LineEditor: Sendable {
    /// Bytes in one line.
    public static let lineLimit = 65536

    private struct Phase {
        var isReading = false
        var isStopped = false
    }

    private let session: Mutex<Session>
    private let phase = Mutex(Phase())
    private let wake: WakePipe
    private let settings: TerminalSettings?

    /// `terminalType` is the value of `$TERM`. Without one, with `dumb`, or when
    /// the output is no terminal, no escape sequence is ever written.
    public convenience init(
        prompt: String, historyFile: String?,
        completer: @escaping @Sendable (_ line: String, _ cursor: Int) -> Completion
    ) {
        self.init(
            prompt: prompt, historyFile: historyFile,
            terminalType: unsafe getenv("TERM").map { unsafe String(cString: $0) },
            input: STDIN_FILENO, output: STDOUT_FILENO, completer: completer)
    }

    /// The cursor given to the completer is an offset in UTF-8 bytes. The
    /// completer is called on the thread that reads.
    public init(
        prompt: String, historyFile: String?, terminalType: String?, input: Int32, output: Int32,
        completer: @escaping @Sendable (_ line: String, _ cursor: Int) -> Completion
    ) {
        let settings = TerminalSettings(of: input)
        let wake = WakePipe()
        let history = HistoryFile(path: historyFile)
        self.settings = settings
        self.wake = wake
        session = Mutex(
            Session(
                prompt: prompt, history: history, settings: settings, terminalType: terminalType,
                input: input, output: output, wake: wake.readEnd, completer: completer))
    }

    /// Prints the prompt and reads a line. An interrupt drops what was typed and
    /// gives a fresh prompt; at an empty one it is returned.
    public func readLine() -> Line {
        let mayRead = phase.withLock { phase in
            guard !phase.isStopped else { return false }
            phase.isReading = true
            // One that came after the last line's end was not meant for this one.
            wake.drain()
            return true
        }
        guard mayRead else { return .stopped }
        defer { phase.withLock { $0.isReading = false } }
        return session.withLock { $0.readLine() }
    }

    /// Does what the interrupt key does. False, without effect, when no line is being read.
    @discardableResult
    public func interrupt() -> Bool {
        phase.withLock { phase in
            guard phase.isReading, !phase.isStopped else { return false }
            wake.send(.interrupt)
            return true
        }
    }

    /// Ends the line that is being read and all later ones with `.stopped`. The
    /// terminal is left to `restoreTerminal()` or the last reference.
    public func stop() {
        phase.withLock { phase in
            phase.isStopped = true
            wake.send(.stop)
        }
    }

    /// Puts the terminal's settings back at once, for a process that is about to
    /// end while a line is being read.
    public func restoreTerminal() { settings?.restore() }
}
