import CLibBPF
import Glibc
import Synchronization

/// What libbpf would print on standard error, kept for the error that it explains.
enum LibbpfMessages {
    private static let kept = Mutex<[String]>([])
    private static let limit = 50

    static func collect() {
        kept.withLock { $0.removeAll() }
        _ = unsafe libbpf_set_print { level, format, arguments in
            guard level != LIBBPF_DEBUG, level != LIBBPF_INFO else { return 0 }
            var buffer = [CChar](repeating: 0, count: 2048)
            unsafe vsnprintf(&buffer, buffer.count, format!, arguments!)
            let text = unsafe buffer.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
            LibbpfMessages.keep(text)
            return 0
        }
    }

    private static func keep(_ text: String) {
        kept.withLock {
            if $0.count < limit { $0.append(text) }
        }
    }

    static func take() -> String {
        kept.withLock { messages in
            defer { messages.removeAll() }
            return messages.joined().split(separator: "\n").joined(separator: "\n")
        }
    }
}
