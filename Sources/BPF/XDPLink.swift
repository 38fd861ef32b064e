import CLibBPF
import Glibc

/// A program attached to a device. Its end detaches the program.
public final class XDPLink: Sendable {
    public enum Acceleration: Sendable {
        /// In the driver.
        case native
        /// In the network stack, on any device.
        case generic

        var flags: UInt32 {
            switch self {
            case .native: UInt32(XDP_FLAGS_DRV_MODE)
            case .generic: UInt32(XDP_FLAGS_SKB_MODE)
            }
        }
    }

    public let acceleration: Acceleration
    let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor, acceleration: Acceleration) {
        self.acceleration = acceleration
        self.descriptor = descriptor
    }

    /// Linux 5.9. EBUSY or EEXIST: another program holds the device.
    public init(_ program: BPFProgram, interface: UInt32, acceleration: Acceleration) throws(BPFError) {
        var options = unsafe bpf_link_create_opts()
        unsafe options.sz = MemoryLayout<bpf_link_create_opts>.size
        unsafe options.flags = acceleration.flags
        let raw = unsafe bpf_link_create(program.descriptor.raw, Int32(interface), BPF_XDP, &options)
        guard raw >= 0 else { throw BPFError("cannot attach the program", errno: -raw) }
        self.acceleration = acceleration
        descriptor = FileDescriptor(owning: raw)
    }

    /// Replaces the program in one step: each packet meets the old one or the new one. Refused with
    /// EPERM where the program is no longer `old`.
    public func replace(_ old: BPFProgram, with new: BPFProgram) throws(BPFError) {
        var options = bpf_link_update_opts()
        options.sz = MemoryLayout<bpf_link_update_opts>.size
        options.flags = UInt32(BPF_F_REPLACE)
        options.old_prog_fd = UInt32(old.descriptor.raw)
        let result = unsafe bpf_link_update(descriptor.raw, new.descriptor.raw, &options)
        guard result == 0 else { throw BPFError("cannot replace the program", errno: -result) }
    }
}
