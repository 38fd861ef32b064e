import Glibc

/// A program that is run to its end. Foundation's Process never sees the end of a child where the
/// network namespace has no loopback, so this is posix_spawn.
enum ChildProcess {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Bytes of output that are kept.
    private static let outputLimit = 1 << 20

    /// Runs without a shell; standard output and error come back as one text. One that takes longer
    /// than the limit is killed, as is one whose task is cancelled. The status is the exit code, or 128 and the signal's number.
    static func run(
        _ path: String, _ arguments: [String], seconds limit: Int = 60
    ) throws(Failure) -> (status: Int32, output: String) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw failure(errno) }
        // The child has its own copies, on the numbers of its standard output and error.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        let child: pid_t
        do {
            defer { close(ends[1]) }
            child = try spawn(path, arguments, output: ends[1])
        }
        let output = read(ends[0], until: monotonicSeconds() + limit) { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return (status & 0x7f == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f), output)
    }

    /// Glibc 2.34; only `_GNU_SOURCE` declares it.
    private static let closeFrom = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
        unsafeBitCast($0, to: CloseFrom.self)
    }
    private typealias CloseFrom =
        @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

    private static func spawn(_ path: String, _ arguments: [String], output: Int32) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
        // Not all that this process has open is closed on exec: the API's socket is not, and a child that outlives a
        // killed agent would seem to answer at it.
        _ = closeFrom?(&actions, STDERR_FILENO + 1)
        // A ^C at the prompt is for the agent, which ends in order; the signals it ignores are the
        // child's again.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        sigfillset(&all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        let result = posix_spawn(&child, path, &actions, &attributes, &words, environ)
        guard result == 0 else { throw failure(result) }
        return child
    }

    /// Reads until the last writer has gone; past the deadline `giveUp` is called once.
    private static func read(_ descriptor: Int32, until deadline: Int, giveUp: () -> Void) -> String {
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var hasGivenUp = false
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&waiting, 1, 50) == 0 {
                if hasGivenUp, monotonicSeconds() > deadline + 1 { break }
                if !hasGivenUp, Task.isCancelled || monotonicSeconds() >= deadline {
                    hasGivenUp = true
                    giveUp()
                }
                continue
            }
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            output += buffer.prefix(min(count, outputLimit - output.count))
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func monotonicSeconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }

    private static func failure(_ number: Int32) -> Failure {
        Failure(description: String(cString: strerror(number)))
    }
}
