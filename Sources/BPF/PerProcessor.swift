import CLibBPF
import Glibc

/// Maps that have a value for each processor. Values are counters of 64 bits, one or several.
extension BPFMap {
    /// The counters over all processors; nil where there is no such key.
    public func sums<Key: BitwiseCopyable>(_ key: Key) throws(BPFError) -> [UInt64]? {
        let words = valueWords(key)
        var values = [UInt64](repeating: 0, count: words * Self.processors)
        let result = unsafe withUnsafePointer(to: key) { key in
            unsafe values.withUnsafeMutableBytes { unsafe bpf_map_lookup_elem(descriptor.raw, key, $0.baseAddress!) }
        }
        if result == -ENOENT { return nil }
        guard result == 0 else { throw BPFError("cannot read the map \(name)", errno: -result) }
        return (0..<words).map { word in
            stride(from: word, to: values.count, by: words).reduce(0) { $0 &+ values[$1] }
        }
    }

    /// An entry whose counters are zero on all processors.
    public func clearPerProcessor<Key: BitwiseCopyable>(_ key: Key) throws(BPFError) {
        let zeros = [UInt64](repeating: 0, count: valueWords(key) * Self.processors)
        let result = unsafe withUnsafePointer(to: key) { key in
            unsafe zeros.withUnsafeBytes { bytes in
                Self.whenThereIsMemory {
                    unsafe bpf_map_update_elem(descriptor.raw, key, bytes.baseAddress!, UInt64(BPF_ANY))
                }
            }
        }
        guard result == 0 else { throw BPFError("cannot write to the map \(name)", errno: -result) }
    }

    private func valueWords<Key: BitwiseCopyable>(_ key: Key) -> Int {
        precondition(MemoryLayout<Key>.size == keySize && valueSize % 8 == 0, "the map \(name) has other entries")
        return valueSize / 8
    }

    private static let processors = Int(libbpf_num_possible_cpus())
}
