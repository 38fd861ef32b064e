import CLibBPF
import Glibc

/// Whether this process may load XDP programs into this kernel.
public enum XDPSupport: Hashable, Sendable {
    case supported
    /// The kernel has no bpf(2), or no XDP.
    case unsupported
    /// EPERM: CAP_BPF, CAP_NET_ADMIN or CAP_PERFMON is missing.
    case denied
    /// The error number, positive.
    case failed(Int32)

    /// Loads a program of two instructions, which is gone at once.
    public static func probe() -> XDPSupport {
        // libbpf takes any refusal of the program for "unsupported", so rights are looked at first.
        var first: UInt32 = 0
        let listed = unsafe bpf_prog_get_next_id(0, &first)
        switch -listed {
        case 0, ENOENT: break
        case EPERM: return .denied
        case ENOSYS: return .unsupported
        case let number: return .failed(number)
        }
        return switch libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, nil) {
        case 1...: .supported
        case 0: .unsupported
        case let number: .failed(-number)
        }
    }
}
