import CLibBPF
import Glibc

/// A program among the filters of a device (tc, clsact), which all packets pass that the host's own stack sends or
/// gets. It stays when this process ends, until it is removed.
public struct TrafficFilter: Sendable {
    public enum Direction: CaseIterable, Sendable {
        /// Before the stack sees a packet, behind XDP.
        case ingress
        /// Behind the stack, in front of the queues.
        case egress
    }

    public let interface: UInt32
    public let direction: Direction
    /// Its place among the filters of the device, the lowest first.
    public let priority: UInt16

    public init(interface: UInt32, direction: Direction, priority: UInt16) {
        self.interface = interface
        self.direction = direction
        self.priority = priority
    }

    private var hook: bpf_tc_hook { Self.hook(interface, direction == .ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS) }

    private static func hook(_ interface: UInt32, _ point: bpf_tc_attach_point) -> bpf_tc_hook {
        var hook = bpf_tc_hook()
        // Without the padding at the end, which libbpf would want to be zero.
        hook.sz = MemoryLayout.offset(of: \bpf_tc_hook.parent)! + MemoryLayout<UInt32>.size
        hook.ifindex = Int32(interface)
        hook.attach_point = point
        return hook
    }

    private var options: bpf_tc_opts {
        var options = bpf_tc_opts()
        options.sz = MemoryLayout.offset(of: \bpf_tc_opts.priority)! + MemoryLayout<UInt32>.size
        options.handle = 1
        options.priority = UInt32(priority)
        return options
    }

    /// The program that is there; nil where none is.
    public func program() -> BPFProgram? {
        LibbpfMessages.collect()
        var (hook, options) = (hook, options)
        guard unsafe bpf_tc_query(&hook, &options) == 0 else { return nil }
        return try? BPFProgram(id: options.prog_id)
    }

    /// EEXIST: the place is taken. The device needs its hook.
    public func attach(_ program: BPFProgram) throws(BPFError) {
        LibbpfMessages.collect()
        var (hook, options) = (hook, options)
        options.prog_fd = program.descriptor.raw
        let result = unsafe bpf_tc_attach(&hook, &options)
        guard result == 0 else {
            throw BPFError("cannot attach the filter \(program.name)", errno: -result, log: LibbpfMessages.take())
        }
    }

    /// What is gone already, also with its device, is no error.
    public func remove() {
        LibbpfMessages.collect()
        var (hook, options) = (hook, options)
        _ = unsafe bpf_tc_detach(&hook, &options)
    }

    /// Makes the device's place for filters, of both directions; false where it has one.
    public static func makeHook(of interface: UInt32) throws(BPFError) -> Bool {
        LibbpfMessages.collect()
        var hook = hook(interface, bpf_tc_attach_point(BPF_TC_INGRESS.rawValue | BPF_TC_EGRESS.rawValue))
        let result = unsafe bpf_tc_hook_create(&hook)
        guard result == 0 || result == -EEXIST else {
            throw BPFError("cannot make the hook of filters", errno: -result, log: LibbpfMessages.take())
        }
        return result == 0
    }

    /// With all filters that are there.
    public static func removeHook(of interface: UInt32) {
        LibbpfMessages.collect()
        var hook = hook(interface, bpf_tc_attach_point(BPF_TC_INGRESS.rawValue | BPF_TC_EGRESS.rawValue))
        _ = unsafe bpf_tc_hook_destroy(&hook)
    }
}
