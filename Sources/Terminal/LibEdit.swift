import CEdit

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// One libedit editor on one terminal. The pointers stay in here.
@safe final class LibEdit {
    private let editor: OpaquePointer
    /// libedit keeps the pointer, not a copy.
    private let prompt: UnsafeMutablePointer<CChar>
    private let completer: Completer

    /// What the C callback is given.
    private final class Completer {
        let complete: (String, Int) -> Completion
        let output: Int32

        init(output: Int32, complete: @escaping (String, Int) -> Completion) {
            self.output = output
            self.complete = complete
        }
    }

    /// `nil` when the terminal type is not known or cannot move its cursor.
    init?(
        input: Int32, output: Int32, wake: Int32, terminalType: String, prompt: String,
        completer: @escaping (String, Int) -> Completion
    ) {
        let completer = Completer(output: output, complete: completer)
        guard let text = unsafe strdup(prompt) else { return nil }
        let context = unsafe Unmanaged.passUnretained(completer).toOpaque()
        let opened = unsafe cedit_open(
            input, output, wake, terminalType, text, LineEditor.lineLimit, Int32(History.limit),
            { editor, line, length, cursor, context in
                guard let editor = unsafe editor, let line = unsafe line, let context = unsafe context else { return }
                let bytes = unsafe UnsafeBufferPointer(start: line, count: length).map { UInt8(bitPattern: $0) }
                let completer = unsafe Unmanaged<Completer>.fromOpaque(context).takeUnretainedValue()
                let text = String(decoding: bytes, as: UTF8.self)
                switch completer.complete(text, min(cursor, bytes.count)).step {
                case .nothing: break
                case .insert(let rest): unsafe cedit_insert(editor, rest)
                case .list(let words):
                    unsafe cedit_print_below(editor, columns(words, width: terminalWidth(of: completer.output)))
                }
            }, context)
        guard let opened = unsafe opened else {
            unsafe free(text)
            return nil
        }
        unsafe self.editor = opened
        unsafe self.prompt = text
        self.completer = completer
    }

    deinit {
        unsafe cedit_close(editor)
        unsafe free(prompt)
    }

    /// `dropped` says that an interrupted line was not empty.
    func read() -> (Line, dropped: Bool) {
        var start: UnsafePointer<CChar>?
        var length = 0
        let end = unsafe cedit_read(editor, &start, &length)
        switch end {
        case CEDIT_INPUT:
            let bytes = unsafe UnsafeBufferPointer(start: start, count: length).map { UInt8(bitPattern: $0) }
            return (.line(String(decoding: bytes, as: UTF8.self)), false)
        case CEDIT_INTERRUPTED: return (.interrupted, dropped: length > 0)
        case CEDIT_STOPPED: return (.stopped, false)
        case CEDIT_TOO_LONG: return (.tooLong(limit: LineEditor.lineLimit), false)
        default: return (.endOfInput, false)
        }
    }

    /// Adds a line to what the arrow keys and ^R show.
    func remember(_ line: String) { unsafe cedit_remember(editor, line) }
}
