import CLibBPF
import Glibc

/// A time after which every program that was running at its beginning has ended.
public enum GracePeriod {
    /// Blocks for some milliseconds.
    public static func wait() {
        // membarrier(2) waits for a grace period of RCU, under which programs run.
        if cbpf_membarrier_global() == 0 { return }
        // It does not on processors without a timer tick (EINVAL with nohz_full), and a sandbox may forbid it. A
        // program is done with a packet in microseconds; nothing holds it up for a tenth of a second.
        usleep(100_000)
    }
}
