import CLibBPF
import Glibc

/// A ring that a program writes records into (Linux 5.8). There may be one reader only.
@safe public final class RingBuffer {
    private let handle: OpaquePointer
    private let records: Records

    /// What libbpf's callback is given.
    private final class Records {
        var waiting: [[UInt8]] = []
    }

    public init(_ map: BPFMap) throws(BPFError) {
        let records = Records()
        let context = unsafe Unmanaged.passUnretained(records).toOpaque()
        let handle = unsafe ring_buffer__new(
            map.descriptor.raw,
            { context, data, size in
                guard let context = unsafe context, let data = unsafe data else { return 0 }
                let records = unsafe Unmanaged<Records>.fromOpaque(context).takeUnretainedValue()
                unsafe records.waiting.append([UInt8](UnsafeRawBufferPointer(start: data, count: size)))
                return 0
            }, context, nil)
        guard let handle = unsafe handle else { throw BPFError("cannot read the ring \(map.name)", errno: errno) }
        unsafe self.handle = unsafe handle
        self.records = records
    }

    deinit {
        unsafe ring_buffer__free(handle)
    }

    /// The records that wait, oldest first; their room in the ring is free again. It does not block.
    public func read() throws(BPFError) -> [[UInt8]] {
        let result = unsafe ring_buffer__consume(handle)
        defer { records.waiting = [] }
        guard result >= 0 else { throw BPFError("cannot read the ring", errno: -result) }
        return records.waiting
    }
}
