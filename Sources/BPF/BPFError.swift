import Glibc

/// What the kernel or libbpf refused, and in which words.
public struct BPFError: Error, Sendable, CustomStringConvertible {
    /// What was being done: `cannot load the program`.
    public var action: String
    public var errno: Int32
    /// The verifier's or libbpf's own words, if there are any.
    public var log: String

    public init(_ action: String, errno: Int32, log: String = "") {
        self.action = action
        self.errno = errno
        self.log = log
    }

    public var description: String {
        let reason = errno == 0 ? "" : ": \(errorText(errno))"
        return log.isEmpty ? action + reason : "\(action)\(reason)\n\(log)"
    }
}

/// The C library's text for an error number.
func errorText(_ number: Int32) -> String {
    guard let text = unsafe strerror(number) else { return "error \(number)" }
    return unsafe String(cString: text)
}
