import CLibBPF
import Glibc

/// A map in the kernel. Keys and values are structs of the shared C header: their sizes are
/// checked against the map's when they are used, as Swift leaves out a struct's tail padding.
public final class BPFMap: Sendable {
    public let name: String
    public let keySize, valueSize, maxEntries: Int
    let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) throws(BPFError) {
        var info = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        let result = unsafe bpf_obj_get_info_by_fd(descriptor.raw, &info, &length)
        guard result == 0 else { throw BPFError("cannot read a map's properties", errno: -result) }
        name = unsafe withUnsafeBytes(of: info.name) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        keySize = Int(info.key_size)
        valueSize = Int(info.value_size)
        maxEntries = Int(info.max_entries)
        self.descriptor = descriptor
    }

    /// A new array of one value, as it lies in a map of maps.
    public convenience init(arrayOf valueSize: Int, name: String) throws(BPFError) {
        let raw = unsafe bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, UInt32(valueSize), 1, nil)
        guard raw >= 0 else { throw BPFError("cannot create a map of \(valueSize) bytes", errno: -raw) }
        try self.init(FileDescriptor(owning: raw))
    }

    private func check<Key, Value>(_ key: Key.Type, _ value: Value.Type) {
        precondition(
            MemoryLayout<Key>.size == keySize && MemoryLayout<Value>.size == valueSize,
            "the map \(name) holds \(keySize) -> \(valueSize) bytes, not \(key) -> \(value)")
    }

    /// Maps that are not preallocated take their elements from a reserve that the kernel fills in the background (Linux
    /// 6.1), so that a burst of writes may find it empty: ENOMEM, until a moment later.
    static func whenThereIsMemory(_ write: () -> Int32) -> Int32 {
        for _ in 0..<100 {
            let result = write()
            guard result == -ENOMEM else { return result }
            usleep(1000)
        }
        return write()
    }

    public func update<Key: BitwiseCopyable, Value: BitwiseCopyable>(_ key: Key, _ value: Value) throws(BPFError) {
        check(Key.self, Value.self)
        let result = unsafe withUnsafePointer(to: key) { key in
            unsafe withUnsafePointer(to: value) { value in
                Self.whenThereIsMemory { unsafe bpf_map_update_elem(descriptor.raw, key, value, UInt64(BPF_ANY)) }
            }
        }
        guard result == 0 else { throw BPFError("cannot write to the map \(name)", errno: -result) }
    }

    /// Writes a value that is an array.
    public func update<Key: BitwiseCopyable, Element: BitwiseCopyable>(
        _ key: Key, elements: [Element]
    ) throws(BPFError) {
        precondition(
            elements.count * MemoryLayout<Element>.stride == valueSize, "the map \(name) holds \(valueSize) bytes")
        let result = unsafe withUnsafePointer(to: key) { key in
            unsafe elements.withUnsafeBytes { bytes in
                Self.whenThereIsMemory {
                    unsafe bpf_map_update_elem(descriptor.raw, key, bytes.baseAddress!, UInt64(BPF_ANY))
                }
            }
        }
        guard result == 0 else { throw BPFError("cannot write to the map \(name)", errno: -result) }
    }

    /// Writes many values with few system calls (Linux 5.6). It is no transaction: an error tells
    /// how far it came.
    public func update<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        keys: [Key], values: [Value]
    ) throws(BPFError) {
        check(Key.self, Value.self)
        precondition(keys.count == values.count)
        guard !keys.isEmpty else { return }
        var written = 0
        let result = unsafe keys.withUnsafeBytes { keyBytes in
            unsafe values.withUnsafeBytes { valueBytes in
                Self.whenThereIsMemory {
                    var count = UInt32(keys.count - written)
                    let result = unsafe bpf_map_update_batch(
                        descriptor.raw, keyBytes.baseAddress! + written * MemoryLayout<Key>.stride,
                        valueBytes.baseAddress! + written * MemoryLayout<Value>.stride, &count, nil)
                    written += Int(count)
                    return result
                }
            }
        }
        guard result == 0 else {
            throw BPFError("cannot write to the map \(name) (\(written) of \(keys.count) written)", errno: -result)
        }
    }

    /// Puts a program into a map of programs that others call.
    public func update(_ key: UInt32, program: BPFProgram) throws(BPFError) {
        try update(key, UInt32(bitPattern: program.descriptor.raw))
    }

    /// Nil where there is no such key.
    public func lookup<Key: BitwiseCopyable, Value: BitwiseCopyable>(_ key: Key, initial: Value) throws(BPFError)
        -> Value?
    {
        check(Key.self, Value.self)
        var value = initial
        let result = unsafe withUnsafePointer(to: key) { unsafe bpf_map_lookup_elem(descriptor.raw, $0, &value) }
        if result == -ENOENT { return nil }
        guard result == 0 else { throw BPFError("cannot read the map \(name)", errno: -result) }
        return value
    }

    /// Deletes many keys with few system calls (Linux 5.6); an array of maps has no such call. A key that is not there is no error.
    public func remove<Key: BitwiseCopyable>(keys: [Key]) throws(BPFError) {
        precondition(MemoryLayout<Key>.stride == keySize)
        var done = 0
        while done < keys.count {
            var count = UInt32(keys.count - done)
            let result = unsafe keys.withUnsafeBytes { bytes in
                unsafe bpf_map_delete_batch(
                    descriptor.raw, bytes.baseAddress! + done * MemoryLayout<Key>.stride, &count, nil)
            }
            done += Int(count)
            // The batch ends at a key that is not there, and has counted those before it.
            if result == -ENOENT {
                done += 1
            } else if result != 0 {
                throw BPFError("cannot delete from the map \(name) (\(done) of \(keys.count) deleted)", errno: -result)
            }
        }
    }

    /// A key that is not there is no error.
    public func remove<Key: BitwiseCopyable>(_ key: Key) throws(BPFError) {
        precondition(MemoryLayout<Key>.size == keySize)
        let result = unsafe withUnsafePointer(to: key) { unsafe bpf_map_delete_elem(descriptor.raw, $0) }
        guard result == 0 || result == -ENOENT else {
            throw BPFError("cannot delete from the map \(name)", errno: -result)
        }
    }
}
