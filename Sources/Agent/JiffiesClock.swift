import BPF
import Balancer
import Glibc

/// The data plane's time. No system call shows the jiffies, so a small program reads them.
struct JiffiesClock {
    private let program: BPFProgram

    init(compiler: Compiler) throws {
        let object = try BPFObject(try compiler.object(.clock))
        try object.load()
        program = try object.program("l4lb_clock")
    }

    func jiffies() throws(BPFError) -> UInt64 {
        let frame = try program.testRun([UInt8](repeating: 0, count: 64)).frame
        return frame.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    struct Reading {
        let jiffies: UInt64
        let nanoseconds: UInt64
    }

    func reading() throws(BPFError) -> Reading {
        Reading(jiffies: try jiffies(), nanoseconds: Self.monotonic())
    }

    /// CONFIG_HZ, measured from a reading that is at least a few jiffies old.
    func hertz(since first: Reading) throws(BPFError) -> UInt32 {
        let shortest: UInt64 = 200_000_000
        let passed = Self.monotonic() - first.nanoseconds
        if passed < shortest { usleep(UInt32((shortest - passed) / 1000)) }
        let now = try reading()
        let measured = Double(now.jiffies - first.jiffies) * 1e9 / Double(now.nanoseconds - first.nanoseconds)
        let usual = [100, 250, 300, 1000].min { abs($0 - measured) < abs($1 - measured) }!
        return UInt32(abs(usual - measured) < usual * 0.08 ? usual : max(measured.rounded(), 1))
    }

    private static func monotonic() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
