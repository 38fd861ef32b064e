import Foundation
import Synchronization
import Testing

/// A thread in a network namespace of its own, where tasks that prefer it run. The namespace goes with the thread,
/// and with it the links in it.
final class NetworkNamespace: TaskExecutor {
    private final class Jobs: Sendable {
        let waiting = Mutex<[UnownedJob?]>([])
        let count = DispatchSemaphore(value: 0)

        /// Nil ends the thread.
        func append(_ job: UnownedJob?) {
            waiting.withLock { $0.append(job) }
            count.signal()
        }

        func next() -> UnownedJob? {
            count.wait()
            return waiting.withLock { $0.removeFirst() }
        }
    }

    private let jobs = Jobs()

    init() {
        let jobs = jobs
        let executor = UnownedTaskExecutor(ordinary: self)
        Thread.detachNewThread {
            NetworkNamespace.unshare()
            while let job = jobs.next() {
                job.runSynchronously(on: executor)
            }
        }
    }

    deinit {
        jobs.append(nil)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        jobs.append(UnownedJob(job))
    }

    /// Runs the body on the thread of this namespace.
    func run<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        try await withTaskExecutorPreference(self) { try await body() }
    }

    /// A path that names the calling thread's namespace for as long as the thread lives.
    static func currentPath() throws -> String {
        "/proc/" + (try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) + "/ns/net"
    }

    private static func unshare() {
        // Glibc's module does not have unshare(2), nor CLONE_NEWNET.
        typealias Unshare = @convention(c) (Int32) -> Int32
        let unshare = unsafeBitCast(dlsym(nil, "unshare"), to: Unshare.self)
        precondition(unshare(0x4000_0000) == 0, "unshare: \(String(cString: strerror(errno)))")
    }
}

/// Runs each test of a suite in a network namespace of its own.
struct OwnNetwork: TestTrait, SuiteTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else {
            try await function()
            return
        }
        let network = NetworkNamespace()
        try await network.run(function)
    }
}

extension Trait where Self == OwnNetwork {
    static var ownNetwork: Self { Self() }
}

/// Runs a command line of the shell in the calling thread's network namespace.
func shell(_ line: String) throws {
    let words = ["sh", "-ec", line].map { (word: String) in strdup(word) }
    defer { for word in words { free(word) } }
    var child: pid_t = 0
    let cause = posix_spawn(&child, "/bin/sh", nil, nil, words + [nil], environ)
    guard cause == 0 else { throw CommandFailed(line: line, status: cause) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    guard status == 0 else { throw CommandFailed(line: line, status: status) }
}

struct CommandFailed: Error {
    var line: String
    var status: Int32
}
