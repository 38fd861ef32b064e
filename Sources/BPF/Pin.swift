import CLibBPF
import Glibc

/// What outlives the process that made it: a name in a bpf filesystem holds it.
extension BPFMap {
    /// ENOENT: nothing has that name.
    public convenience init(pinned path: String) throws(BPFError) {
        let raw = unsafe bpf_obj_get(path)
        guard raw >= 0 else { throw BPFError("cannot open the map \(path)", errno: -raw) }
        try self.init(FileDescriptor(owning: raw))
    }

    /// The map that has an id.
    public convenience init(id: UInt32) throws(BPFError) {
        let raw = bpf_map_get_fd_by_id(id)
        guard raw >= 0 else { throw BPFError("there is no map with id \(id)", errno: -raw) }
        try self.init(FileDescriptor(owning: raw))
    }

    /// EEXIST: something has that name.
    public func pin(_ path: String) throws(BPFError) {
        let result = unsafe bpf_obj_pin(descriptor.raw, path)
        guard result == 0 else { throw BPFError("cannot pin the map \(name) as \(path)", errno: -result) }
    }

    /// All keys, in no order. Not for maps that the program adds to meanwhile.
    public func keys<Key: BitwiseCopyable>(_ key: Key) throws(BPFError) -> [Key] {
        precondition(MemoryLayout<Key>.size == keySize)
        var found: [Key] = []
        var (key, next) = (key, key)
        var result = unsafe bpf_map_get_next_key(descriptor.raw, nil, &next)
        while result == 0, found.count < maxEntries {
            key = next
            found.append(key)
            result = unsafe bpf_map_get_next_key(descriptor.raw, &key, &next)
        }
        guard result == 0 || result == -ENOENT else { throw BPFError("cannot list the map \(name)", errno: -result) }
        return found
    }

    public func entries<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ key: Key, _ value: Value
    ) throws(BPFError) -> [(key: Key, value: Value)] {
        var found: [(key: Key, value: Value)] = []
        for key in try keys(key) {
            if let value = try lookup(key, initial: value) { found.append((key, value)) }
        }
        return found
    }

    /// A value that is an array; nil where there is no such key.
    public func elements<Key: BitwiseCopyable, Element: BitwiseCopyable>(
        _ key: Key, count: Int, initial: Element
    ) throws(BPFError) -> [Element]? {
        precondition(MemoryLayout<Key>.size == keySize && MemoryLayout<Element>.stride * count == valueSize)
        var values = [Element](repeating: initial, count: count)
        let result = unsafe withUnsafePointer(to: key) { key in
            unsafe values.withUnsafeMutableBytes { unsafe bpf_map_lookup_elem(descriptor.raw, key, $0.baseAddress!) }
        }
        if result == -ENOENT { return nil }
        guard result == 0 else { throw BPFError("cannot read the map \(name)", errno: -result) }
        return values
    }
}

extension XDPLink {
    /// ENOENT: nothing has that name.
    public convenience init(pinned path: String, acceleration: Acceleration) throws(BPFError) {
        let raw = unsafe bpf_obj_get(path)
        guard raw >= 0 else { throw BPFError("cannot open the link \(path)", errno: -raw) }
        self.init(FileDescriptor(owning: raw), acceleration: acceleration)
    }

    /// It then holds the program on the device when this process has ended.
    public func pin(_ path: String) throws(BPFError) {
        let result = unsafe bpf_obj_pin(descriptor.raw, path)
        guard result == 0 else { throw BPFError("cannot pin the link as \(path)", errno: -result) }
    }

    public struct Target: Sendable {
        /// 0 where the device is gone.
        public var interface: UInt32
        public var programID: UInt32
    }

    public func target() throws(BPFError) -> Target {
        var info = bpf_link_info()
        var length = UInt32(MemoryLayout<bpf_link_info>.size)
        let result = unsafe bpf_obj_get_info_by_fd(descriptor.raw, &info, &length)
        guard result == 0 else { throw BPFError("cannot read a link's properties", errno: -result) }
        return Target(interface: info.xdp.ifindex, programID: info.prog_id)
    }
}

extension BPFProgram {
    /// The constants of a section such as `.rodata.config`, which the kernel keeps as a map; nil where the program has
    /// none of that name and size.
    public func constants<T: BitwiseCopyable>(_ section: String, initial: T) throws(BPFError) -> T? {
        var ids = [UInt32](repeating: 0, count: 64)
        var info = bpf_prog_info()
        var length = UInt32(MemoryLayout<bpf_prog_info>.size)
        let result = unsafe ids.withUnsafeMutableBufferPointer { ids in
            info.map_ids = UInt64(UInt(bitPattern: ids.baseAddress!))
            info.nr_map_ids = UInt32(ids.count)
            return unsafe bpf_obj_get_info_by_fd(descriptor.raw, &info, &length)
        }
        guard result == 0 else { throw BPFError("cannot read a program's maps", errno: -result) }
        for id in ids.prefix(Int(info.nr_map_ids)) {
            let map = try BPFMap(id: id)
            // The kernel keeps 15 characters of a name.
            guard map.name == String(section.prefix(15)), map.valueSize == MemoryLayout<T>.size else { continue }
            return try map.lookup(UInt32(0), initial: initial)
        }
        return nil
    }
}
