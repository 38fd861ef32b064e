import CLibBPF
import Glibc

/// A compiled object on its way into the kernel: opened, sized, given maps that exist, loaded.
/// Its end frees what was not taken out of it.
@safe public struct BPFObject: ~Copyable {
    private let handle: OpaquePointer
    private let log: VerifierLog

    public init(_ bytes: [UInt8]) throws(BPFError) {
        LibbpfMessages.collect()
        let log = VerifierLog()
        var options = unsafe bpf_object_open_opts()
        unsafe options.sz = MemoryLayout<bpf_object_open_opts>.size
        unsafe options.kernel_log_buf = unsafe log.buffer.baseAddress
        unsafe options.kernel_log_size = log.buffer.count
        let handle = unsafe bytes.withUnsafeBytes {
            unsafe bpf_object__open_mem($0.baseAddress!, $0.count, &options)
        }
        guard let handle = unsafe handle else {
            throw BPFError("cannot read the compiled program", errno: errno, log: LibbpfMessages.take())
        }
        self.log = log
        unsafe self.handle = unsafe handle
    }

    deinit {
        unsafe bpf_object__close(handle)
    }

    private func map(_ name: String) throws(BPFError) -> OpaquePointer {
        guard let map = unsafe bpf_object__find_map_by_name(handle, name) else {
            throw BPFError("the program has no map \(name)", errno: 0)
        }
        return unsafe map
    }

    /// Before loading.
    public func setMaxEntries(_ name: String, _ count: Int) throws(BPFError) {
        let result = unsafe bpf_map__set_max_entries(try map(name), UInt32(count))
        guard result == 0 else { throw BPFError("cannot give the map \(name) \(count) entries", errno: -result) }
    }

    /// Fills a read-only section: the program's constants. Before loading.
    public func setConstants<T: BitwiseCopyable>(_ section: String, _ value: T) throws(BPFError) {
        let map = unsafe try map(section)
        let result = unsafe withUnsafeBytes(of: value) {
            unsafe bpf_map__set_initial_value(map, $0.baseAddress!, $0.count)
        }
        guard result == 0 else { throw BPFError("cannot set the program's constants \(section)", errno: -result) }
    }

    /// Lets the program use a map that exists. Its layout has to be the same: libbpf itself would
    /// take on the old one in silence.
    public func reuse(_ name: String, _ existing: BPFMap) throws(BPFError) {
        let map = unsafe try map(name)
        let wanted = unsafe (
            Int(bpf_map__key_size(map)), Int(bpf_map__value_size(map)), Int(bpf_map__max_entries(map))
        )
        guard wanted == (existing.keySize, existing.valueSize, existing.maxEntries) else {
            throw BPFError("the map \(name) has another layout than the program that is to use it", errno: 0)
        }
        let result = unsafe bpf_map__reuse_fd(map, existing.descriptor.raw)
        guard result == 0 else { throw BPFError("cannot use the map \(name) again", errno: -result) }
    }

    /// Creates the maps and has the verifier check the program.
    public func load() throws(BPFError) {
        let result = unsafe bpf_object__load(handle)
        let messages = LibbpfMessages.take()
        guard result == 0 else {
            let words = log.text.isEmpty ? messages : log.tail(lines: 30)
            throw BPFError("the kernel refused the program", errno: -result, log: words)
        }
    }

    /// After loading.
    public func loadedMap(_ name: String) throws(BPFError) -> BPFMap {
        try BPFMap(try FileDescriptor.duplicate(unsafe bpf_map__fd(try map(name))))
    }

    /// After loading.
    public func program(_ name: String) throws(BPFError) -> BPFProgram {
        guard let program = unsafe bpf_object__find_program_by_name(handle, name) else {
            throw BPFError("the object has no program \(name)", errno: 0)
        }
        return try BPFProgram(try FileDescriptor.duplicate(unsafe bpf_program__fd(program)))
    }
}

/// The verifier's words. libbpf asks for them only when it refuses a program.
@safe private final class VerifierLog {
    let buffer: UnsafeMutableBufferPointer<CChar>

    init() {
        unsafe buffer = .allocate(capacity: 1 << 20)
        unsafe buffer.initialize(repeating: 0)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    var text: String { unsafe String(cString: buffer.baseAddress!) }

    func tail(lines: Int) -> String {
        text.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }
}
