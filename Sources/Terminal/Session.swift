import CEdit

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The reading side of a `LineEditor`: libedit where the terminal can move its
/// cursor, a plain line elsewhere.
final class Session {
    private let prompt: String
    private let settings: TerminalSettings?
    private let input: Int32
    private let output: Int32
    private let wake: Int32
    private var history: HistoryFile
    private var libedit: LibEdit?

    init(
        prompt: String, history: HistoryFile, settings: TerminalSettings?, terminalType: String?,
        input: Int32, output: Int32, wake: Int32,
        completer: @escaping @Sendable (String, Int) -> Completion
    ) {
        self.prompt = prompt
        self.settings = settings
        self.input = input
        self.output = output
        self.wake = wake
        self.history = history
        settings?.setBetweenLines()
        let canMove = settings != nil && isatty(output) == 1
        if canMove, let terminalType, !["", "dumb"].contains(terminalType) {
            libedit = LibEdit(
                input: input, output: output, wake: wake, terminalType: terminalType, prompt: prompt,
                completer: completer)
        } else {
            libedit = nil
        }
        for line in history.history.lines { libedit?.remember(line) }
    }

    deinit {
        // libedit leaves the terminal as it found it, which is between two lines.
        libedit = nil
        settings?.restore()
    }

    func readLine() -> Line {
        while true {
            let (line, dropped) = libedit?.read() ?? readPlain()
            switch line {
            case .line(let text):
                if history.add(text) { libedit?.remember(text) }
            case .interrupted:
                end(with: "^C\n")
                if dropped { continue }
            case .endOfInput, .stopped:
                end(with: "\n")
            case .tooLong:
                break
            }
            return line
        }
    }

    /// Leaves the cursor at the beginning of a line for whoever prints next.
    private func end(with text: String) {
        if settings != nil { writeAll(Array(text.utf8), to: output) }
    }

    private func readPlain() -> (Line, dropped: Bool) {
        settings?.setForReading()
        defer { settings?.setBetweenLines() }
        writeAll(Array(prompt.utf8), to: output)
        var line = PlainLine(limit: LineEditor.lineLimit, isTerminal: settings != nil)
        if let key = settings?.interruptKey, key != 0 { line.interruptKey = key }
        while true {
            var byte: UInt8 = 0
            switch unsafe cedit_wait(input, wake, &byte) {
            case CEDIT_INPUT: break
            case CEDIT_INTERRUPTED: return (.interrupted, dropped: !line.bytes.isEmpty)
            case CEDIT_STOPPED: return (.stopped, false)
            // A last line without a newline is a line all the same.
            default: return (line.bytes.isEmpty ? .endOfInput : .line(line.text), false)
            }
            switch line.take(byte) {
            case .echo(let bytes): echo(bytes)
            case .interrupted: return (.interrupted, dropped: !line.bytes.isEmpty)
            case .endOfInput: return (.endOfInput, false)
            case .line(let text):
                echo([UInt8(ascii: "\n")])
                return (.line(text), false)
            case .tooLong:
                echo([UInt8(ascii: "\n")])
                return (.tooLong(limit: line.limit), false)
            }
        }
    }

    private func echo(_ bytes: [UInt8]) {
        if let settings, settings.echoes, !bytes.isEmpty { writeAll(bytes, to: output) }
    }
}
