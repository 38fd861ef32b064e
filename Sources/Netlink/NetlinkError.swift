import CMnl
import Glibc

/// What went wrong between this process and the kernel's routing tables.
public enum NetlinkError: Error, Hashable, Sendable {
    /// No network interface of this name exists in this network namespace.
    case noSuchLink(String)
    /// `action` completes "cannot …"; `errno` is positive, and `detail` is what the kernel or this module adds to it.
    case failed(action: String, errno: Int32, detail: String?)

    /// The error number, positive, as in errno(3).
    public var errno: Int32 {
        switch self {
        case .noSuchLink: ENODEV
        case .failed(_, let errno, _): errno
        }
    }
}

extension NetlinkError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noSuchLink(let name):
            "there is no network interface named \(name.isEmpty ? "\"\"" : name)"
        case .failed(let action, let errno, let detail):
            "cannot \(action): \(Self.text(errno))" + (detail.map { " (\($0))" } ?? "")
        }
    }

    private static func text(_ errno: Int32) -> String {
        // strerror(3) of glibc is safe between threads since 2.32 and never returns nil.
        unsafe String(cString: strerror(errno))
    }
}

/// Bytes that are no netlink message: the kernel does not send them, so the text is for a bug report.
struct MalformedMessage: Error, Hashable, CustomStringConvertible {
    var description: String

    init(_ description: String) {
        self.description = description
    }
}
