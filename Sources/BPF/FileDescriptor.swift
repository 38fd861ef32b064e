import Glibc

/// An open file descriptor; its end closes it.
public struct FileDescriptor: ~Copyable, Sendable {
    public let raw: Int32

    /// Takes the descriptor over.
    public init(owning raw: Int32) {
        self.raw = raw
    }

    deinit {
        close(raw)
    }

    /// A second descriptor of the same thing, closed on exec.
    public func duplicate() throws(BPFError) -> FileDescriptor {
        try Self.duplicate(raw)
    }

    static func duplicate(_ raw: Int32) throws(BPFError) -> FileDescriptor {
        let copy = fcntl(raw, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw BPFError("cannot duplicate a file descriptor", errno: errno) }
        return FileDescriptor(owning: copy)
    }
}
