import Glibc
import Synchronization

/// An array map with BPF_F_MMAPABLE (Linux 5.5), in this process's memory: what the XDP program
/// writes is seen at once and without a system call.
@safe public final class MappedArray<Element: BitwiseCopyable> {
    public let count: Int
    private let base: UnsafeMutableRawPointer
    private let length: Int

    public init(_ map: BPFMap, elements count: Int) throws(BPFError) {
        precondition(MemoryLayout<Element>.stride % 8 == 0, "the kernel pads array values to 8 bytes")
        self.count = count
        length = (count * MemoryLayout<Element>.stride + 4095) / 4096 * 4096
        guard let base = unsafe mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, map.descriptor.raw, 0),
            unsafe base != MAP_FAILED
        else { throw BPFError("cannot map \(map.name) (\(length) bytes)", errno: errno) }
        unsafe self.base = unsafe base
    }

    deinit {
        unsafe munmap(base, length)
    }

    private func address(_ index: Int) -> UnsafeMutableRawPointer {
        precondition(index >= 0 && index < count)
        return unsafe base + index * MemoryLayout<Element>.stride
    }

    /// A copy. The program may be writing: what must be whole carries a version of its own.
    public subscript(index: Int) -> Element {
        unsafe address(index).loadUnaligned(as: Element.self)
    }

    /// Part of an element, at a multiple of its size.
    public func load<Part: BitwiseCopyable>(_ index: Int, offset: Int, as: Part.Type) -> Part {
        precondition(offset >= 0 && offset + MemoryLayout<Part>.size <= MemoryLayout<Element>.stride)
        return unsafe (address(index) + offset).load(as: Part.self)
    }

    public func store(_ value: Element, _ index: Int) {
        unsafe address(index).storeBytes(of: value, as: Element.self)
    }

    /// Compare-and-swap on the first 8 bytes of an element, as the XDP program does it.
    public func compareExchange(_ index: Int, expected: UInt64, desired: UInt64) -> Bool {
        unsafe address(index).withMemoryRebound(to: Atomic<UInt64>.self, capacity: 1) {
            unsafe $0.pointee.compareExchange(
                expected: expected, desired: desired, ordering: .sequentiallyConsistent
            ).exchanged
        }
    }

    /// Adds to a counter that the XDP program adds to as well.
    public func add(_ value: UInt64, _ index: Int, offset: Int) {
        precondition(offset >= 0 && offset % 8 == 0 && offset + 8 <= MemoryLayout<Element>.stride)
        unsafe (address(index) + offset).withMemoryRebound(to: Atomic<UInt64>.self, capacity: 1) {
            unsafe _ = $0.pointee.wrappingAdd(value, ordering: .relaxed)
        }
    }

    /// Compare-and-swap on 32 bits of an element, at a multiple of 4.
    public func compareExchange(_ index: Int, offset: Int, expected: UInt32, desired: UInt32) -> Bool {
        precondition(offset >= 0 && offset % 4 == 0 && offset + 4 <= MemoryLayout<Element>.stride)
        return unsafe (address(index) + offset).withMemoryRebound(to: Atomic<UInt32>.self, capacity: 1) {
            unsafe $0.pointee.compareExchange(
                expected: expected, desired: desired, ordering: .sequentiallyConsistent
            ).exchanged
        }
    }

    /// Stores 64 bits of an element, at a multiple of 8, as one: nobody sees a half of them.
    public func storeWord(_ value: UInt64, _ index: Int, offset: Int) {
        precondition(offset >= 0 && offset % 8 == 0 && offset + 8 <= MemoryLayout<Element>.stride)
        unsafe (address(index) + offset).withMemoryRebound(to: Atomic<UInt64>.self, capacity: 1) {
            unsafe $0.pointee.store(value, ordering: .sequentiallyConsistent)
        }
    }
}

extension MappedArray<UInt64> {
    /// Clears bits of a word in which the XDP program sets and clears others.
    public func clear(_ bits: UInt64, _ index: Int) {
        precondition(index >= 0 && index < count)
        unsafe address(index).withMemoryRebound(to: Atomic<UInt64>.self, capacity: 1) {
            unsafe _ = $0.pointee.bitwiseAnd(~bits, ordering: .sequentiallyConsistent)
        }
    }
}
