import CLibBPF
import Glibc

/// A loaded program. It lives for as long as this, or a link, holds it.
public final class BPFProgram: Sendable {
    /// The kernel's id, as `bpftool prog` shows it.
    public let id: UInt32
    public let name: String
    let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) throws(BPFError) {
        var info = bpf_prog_info()
        var length = UInt32(MemoryLayout<bpf_prog_info>.size)
        let result = unsafe bpf_obj_get_info_by_fd(descriptor.raw, &info, &length)
        guard result == 0 else { throw BPFError("cannot read a program's properties", errno: -result) }
        id = info.id
        name = unsafe withUnsafeBytes(of: info.name) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        self.descriptor = descriptor
    }

    /// The program that has an id.
    public convenience init(id: UInt32) throws(BPFError) {
        let raw = bpf_prog_get_fd_by_id(id)
        guard raw >= 0 else { throw BPFError("there is no program with id \(id)", errno: -raw) }
        try self.init(FileDescriptor(owning: raw))
    }

    public struct TestResult: Sendable {
        public var verdict: UInt32
        public var frame: [UInt8]
    }

    /// Runs the program on a frame of at least 14 bytes without a device (BPF_PROG_TEST_RUN).
    /// `interface`: the index of the device that the frame seems to come from, 0 for loopback.
    public func testRun(_ frame: [UInt8], interface: UInt32 = 0) throws(BPFError) -> TestResult {
        var out = [UInt8](repeating: 0, count: frame.count + 256)
        var options = unsafe bpf_test_run_opts()
        var context = xdp_md()
        context.data_end = UInt32(frame.count)
        context.ingress_ifindex = interface
        let result: (Int32, UInt32, Int) = unsafe frame.withUnsafeBytes { frame in
            unsafe out.withUnsafeMutableBytes { out in
                unsafe withUnsafePointer(to: context) { context in
                    unsafe options.sz = MemoryLayout<bpf_test_run_opts>.size
                    unsafe options.data_in = frame.baseAddress
                    unsafe options.data_size_in = UInt32(frame.count)
                    unsafe options.data_out = out.baseAddress
                    unsafe options.data_size_out = UInt32(out.count)
                    if interface != 0 {
                        unsafe options.ctx_in = UnsafeRawPointer(context)
                        unsafe options.ctx_size_in = UInt32(MemoryLayout<xdp_md>.size)
                    }
                    let result = unsafe bpf_prog_test_run_opts(descriptor.raw, &options)
                    return unsafe (result, options.retval, Int(options.data_size_out))
                }
            }
        }
        guard result.0 == 0 else { throw BPFError("cannot run the program on a frame", errno: -result.0) }
        return TestResult(verdict: result.1, frame: Array(out.prefix(result.2)))
    }
}
