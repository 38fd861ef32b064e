import Foundation

/// One command at a time. The lock is on a folder that stays, so that no file is left of it; a process's end releases it too.
struct Lock {
    private let descriptor: Int32

    /// Seconds of waiting at the most: enable has 300 in all.
    static let patience = 60

    init(_ folder: String, patience: Int = patience) throws(HandlerError) {
        descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw HandlerError(.environment, "\(folder): \(String(cString: strerror(errno)))")
        }
        for turn in 0...patience * 10 {
            if turn > 0 { usleep(100_000) }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
        }
        close(descriptor)
        throw HandlerError(.locked, "another command of the handler has been at work for \(patience) s")
    }

    func release() { close(descriptor) }
}
