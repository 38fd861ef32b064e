import CMnl
import Glibc

/// A socket to the kernel's routing side, closed when its owner goes.
@safe struct MnlSocket: ~Copyable, Sendable {
    /// Sendable because it is never copied and every use but the descriptor's number is exclusive.
    private nonisolated(unsafe) let handle: OpaquePointer
    private var buffer: [UInt8]

    /// The kernel fills at most 32 KiB of a dump; a single link with many virtual functions may be larger.
    private static let capacity = 1 << 16

    /// `flags` are those of socket(2).
    init(flags: Int32, action: String) throws(NetlinkError) {
        guard let handle = unsafe mnl_socket_open2(NETLINK_ROUTE, flags | Int32(SOCK_CLOEXEC.rawValue)) else {
            throw .failed(action: action, errno: errno, detail: nil)
        }
        // Port 0: the kernel chooses one.
        guard unsafe mnl_socket_bind(handle, 0, MNL_SOCKET_AUTOPID) == 0 else {
            let cause = errno
            unsafe mnl_socket_close(handle)
            throw .failed(action: action, errno: cause, detail: nil)
        }
        unsafe self.handle = handle
        buffer = Array(repeating: 0, count: Self.capacity)
    }

    deinit {
        _ = unsafe mnl_socket_close(handle)
    }

    var fileDescriptor: Int32 { unsafe mnl_socket_get_fd(handle) }

    /// Sets an option of netlink(7).
    mutating func set(_ option: some BinaryInteger, to value: Int32, action: String) throws(NetlinkError) {
        var value = value
        let size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe mnl_socket_setsockopt(handle, Int32(option), &value, size) == 0 else {
            throw .failed(action: action, errno: errno, detail: nil)
        }
    }

    /// Sets an option of socket(7).
    mutating func set<Value: BitwiseCopyable>(
        socketOption option: Int32, to value: Value, action: String
    ) throws(NetlinkError) {
        var value = value
        let size = socklen_t(MemoryLayout<Value>.size)
        guard unsafe setsockopt(fileDescriptor, SOL_SOCKET, option, &value, size) == 0 else {
            throw .failed(action: action, errno: errno, detail: nil)
        }
    }

    mutating func send(_ message: [UInt8], action: String) throws(NetlinkError) {
        while true {
            let sent = unsafe message.withUnsafeBytes { unsafe mnl_socket_sendto(handle, $0.baseAddress, $0.count) }
            if sent >= 0 { return }
            guard errno == EINTR else { throw .failed(action: action, errno: errno, detail: nil) }
        }
    }

    /// One datagram. EAGAIN is a timeout, or an empty socket where it does not block.
    mutating func receive(action: String) throws(NetlinkError) -> [UInt8] {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe mnl_socket_recvfrom(handle, $0.baseAddress, $0.count)
            }
            if count >= 0 { return Array(buffer.prefix(count)) }
            guard errno == EINTR else { throw .failed(action: action, errno: errno, detail: nil) }
        }
    }
}
