import CMnl

/// A message to the kernel, ready but for its sequence number.
struct Request: Sendable {
    private var type: UInt16
    private var flags: UInt16
    private var payload: [UInt8]

    /// `header` is the fixed structure that the type asks for, such as `ndmsg`.
    init<Header: BitwiseCopyable>(_ type: Int, flags: Int32, header: Header) {
        self.type = UInt16(type)
        self.flags = UInt16(flags | NLM_F_REQUEST)
        payload = octets(of: header)
        pad()
    }

    mutating func append(_ type: Int, _ value: some Sequence<UInt8>) {
        let value = Array(value)
        let header = nlattr(nla_len: UInt16(MemoryLayout<nlattr>.size + value.count), nla_type: UInt16(type))
        payload += octets(of: header) + value
        pad()
    }

    /// In host byte order.
    mutating func append(_ type: Int, _ value: UInt32) {
        append(type, octets(of: value))
    }

    func bytes(sequence: UInt32) -> [UInt8] {
        var header = nlmsghdr()
        header.nlmsg_len = UInt32(MemoryLayout<nlmsghdr>.size + payload.count)
        header.nlmsg_type = type
        header.nlmsg_flags = flags
        header.nlmsg_seq = sequence
        return octets(of: header) + payload
    }

    private mutating func pad() {
        payload += Array(repeating: 0, count: aligned(payload.count) - payload.count)
    }
}

/// `value` is a number or one of the kernel's structures without padding between its fields.
private func octets(of value: some BitwiseCopyable) -> [UInt8] {
    unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
}
