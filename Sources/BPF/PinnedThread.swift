import CLibBPF

/// Keeps the calling thread on the processor that it runs on, so that its caches stay warm; its end lets it go.
public struct PinnedThread: ~Copyable {
    /// A bit for each processor; the kernel knows 8192 at the most.
    private let before: [UInt]
    private static let words = 8192 / UInt.bitWidth
    private static let bytes = UInt(8192 / 8)

    /// Nil where the kernel refuses: then the thread goes where it likes.
    public init?() {
        var before = [UInt](repeating: 0, count: Self.words)
        let processor = Int(cbpf_current_processor())
        guard unsafe cbpf_get_affinity(&before, Self.bytes) >= 0, (0..<8192).contains(processor) else { return nil }
        var one = [UInt](repeating: 0, count: Self.words)
        one[processor / UInt.bitWidth] = 1 << UInt(processor % UInt.bitWidth)
        guard unsafe cbpf_set_affinity(one, Self.bytes) >= 0 else { return nil }
        self.before = before
    }

    deinit {
        _ = unsafe cbpf_set_affinity(before, Self.bytes)
    }
}
