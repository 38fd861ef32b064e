import CLibBPF
import Glibc

/// The processor's counters of what this thread does, in the kernel too (perf_event_open).
public struct ProcessorCounters: ~Copyable, Sendable {
    public struct Reading: Sendable {
        public var cycles, instructions: UInt64
    }

    private let cycles, instructions: FileDescriptor

    /// Nil where the machine has none, as many virtual ones do not.
    public init?() {
        guard let cycles = Self.open(PERF_COUNT_HW_CPU_CYCLES, group: -1),
            let instructions = Self.open(PERF_COUNT_HW_INSTRUCTIONS, group: cycles.raw)
        else { return nil }
        self.cycles = cycles
        self.instructions = instructions
    }

    private static func open(_ event: perf_hw_id, group: Int32) -> FileDescriptor? {
        var attributes = perf_event_attr()
        attributes.type = PERF_TYPE_HARDWARE.rawValue
        attributes.size = UInt32(MemoryLayout<perf_event_attr>.size)
        attributes.config = UInt64(event.rawValue)
        let raw = unsafe cbpf_perf_event_open(&attributes, group)
        return raw >= 0 ? FileDescriptor(owning: raw) : nil
    }

    func read() -> Reading {
        Reading(cycles: Self.read(cycles), instructions: Self.read(instructions))
    }

    private static func read(_ counter: borrowing FileDescriptor) -> UInt64 {
        var value: UInt64 = 0
        let count = unsafe Glibc.read(counter.raw, &value, 8)
        return count == 8 ? value : 0
    }
}
