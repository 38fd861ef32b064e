import CEdit

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Wakes the thread that waits for a key. Bytes and not a flag, so that one
/// poll sees both.
final class WakePipe: Sendable {
    enum Reason: UInt8 {
        case interrupt = 0x69  // 'i'
        case stop = 0x73  // 's'
    }

    let readEnd: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        // Without descriptors left, poll ignores -1: keys still work, waking does not.
        _ = unsafe cedit_pipe(&ends)
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    func send(_ reason: Reason) {
        var byte = reason.rawValue
        // A full pipe already wakes the reader.
        _ = unsafe write(writeEnd, &byte, 1)
    }

    func drain() {
        var byte: UInt8 = 0
        while unsafe read(readEnd, &byte, 1) == 1 {}
    }
}
