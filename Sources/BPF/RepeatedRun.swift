import CLibBPF
import Glibc

/// What a program cost that was run many times.
public struct RepeatedRun: Sendable {
    /// Of the last run.
    public var verdict: UInt32
    /// Nanoseconds of this thread's processor time for one run, the kernel's loop included.
    public var nanoseconds: Double
    /// For one run; nil where the machine has no counters.
    public var cycles, instructions: Double?
}

extension BPFProgram {
    /// Runs the program `count` times on one frame, which is not restored between the runs.
    public func run(
        _ frame: [UInt8], count: Int, counters: borrowing ProcessorCounters?
    ) throws(BPFError) -> RepeatedRun {
        var options = unsafe bpf_test_run_opts()
        unsafe options.sz = MemoryLayout<bpf_test_run_opts>.size
        unsafe options.repeat = Int32(count)
        let (before, start) = (counters?.read(), Self.threadTime())
        let result = unsafe frame.withUnsafeBytes { frame in
            unsafe options.data_in = frame.baseAddress
            unsafe options.data_size_in = UInt32(frame.count)
            return unsafe bpf_prog_test_run_opts(descriptor.raw, &options)
        }
        let (end, after) = (Self.threadTime(), counters?.read())
        guard result == 0 else { throw BPFError("cannot run the program \(count) times", errno: -result) }
        var run = unsafe RepeatedRun(
            verdict: options.retval, nanoseconds: Double(end - start) / Double(count), cycles: nil, instructions: nil)
        if let before, let after {
            run.cycles = Double(after.cycles &- before.cycles) / Double(count)
            run.instructions = Double(after.instructions &- before.instructions) / Double(count)
        }
        return run
    }

    private static func threadTime() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
