/// How reading one line ended.
public enum Line: Equatable, Sendable {
    case line(String)
    /// The interrupt key, or `LineEditor.interrupt()`, at an empty prompt.
    case interrupted
    /// ^D at an empty prompt, or the input has ended.
    case endOfInput
    /// `LineEditor.stop()` was called.
    case stopped
    /// The line was read to its end and dropped. The limit is in bytes.
    case tooLong(limit: Int)
}
