import CMnl

/// One message of a datagram: the header's fields in host byte order, and what follows the header.
struct Message: Sendable {
    var type: UInt16
    var flags: UInt16
    var sequence: UInt32
    var payload: ArraySlice<UInt8>

    /// The messages of one datagram.
    static func all(in datagram: [UInt8]) throws(MalformedMessage) -> [Message] {
        var messages: [Message] = []
        var rest = datagram[...]
        while !rest.isEmpty {
            guard let header = rest.structure(nlmsghdr.self) else {
                throw MalformedMessage("a message header of \(rest.count) bytes")
            }
            let length = Int(header.nlmsg_len)
            guard length >= MemoryLayout<nlmsghdr>.size, length <= rest.count else {
                throw MalformedMessage("a message says \(length) bytes, \(rest.count) are there")
            }
            messages.append(
                Message(
                    type: header.nlmsg_type, flags: header.nlmsg_flags, sequence: header.nlmsg_seq,
                    payload: rest.prefix(length).dropFirst(MemoryLayout<nlmsghdr>.size)))
            rest = rest.dropFirst(aligned(length))
        }
        return messages
    }

    /// The fixed part that every message of this type begins with, and the attributes after it.
    func parts<Header: BitwiseCopyable>(
        _ type: Header.Type
    ) throws(MalformedMessage) -> (header: Header, attributes: Attributes) {
        guard let header = payload.structure(type) else {
            throw MalformedMessage("\(payload.count) bytes for \(type)")
        }
        return (header, try Attributes(payload.dropFirst(aligned(MemoryLayout<Header>.size))))
    }
}

/// Attributes by their type; of two with the same type the later one counts, as in the kernel.
struct Attributes: Sendable {
    private var values: [Int: ArraySlice<UInt8>] = [:]

    init(_ bytes: ArraySlice<UInt8>) throws(MalformedMessage) {
        var rest = bytes
        while !rest.isEmpty {
            guard let header = rest.structure(nlattr.self) else {
                throw MalformedMessage("an attribute header of \(rest.count) bytes")
            }
            let length = Int(header.nla_len)
            guard length >= MemoryLayout<nlattr>.size, length <= rest.count else {
                throw MalformedMessage("an attribute says \(length) bytes, \(rest.count) are there")
            }
            // The upper two bits are NLA_F_NESTED and NLA_F_NET_BYTEORDER.
            values[Int(header.nla_type) & 0x3fff] = rest.prefix(length).dropFirst(MemoryLayout<nlattr>.size)
            rest = rest.dropFirst(aligned(length))
        }
    }

    subscript(_ type: Int) -> ArraySlice<UInt8>? { values[type] }

    subscript(_ type: rtattr_type_t) -> ArraySlice<UInt8>? { values[Int(type.rawValue)] }

    func nested(_ type: Int) throws(MalformedMessage) -> Attributes? {
        guard let bytes = values[type] else { return nil }
        return try Attributes(bytes)
    }
}

/// How the kernel ends an answer (NLMSG_ERROR, which also acknowledges, and NLMSG_DONE).
struct Verdict: Hashable, Sendable {
    /// Positive; 0 is success.
    var errno: Int32
    /// The kernel's own words (NETLINK_EXT_ACK), where it has some.
    var detail: String?

    /// Nil where the answer goes on.
    init?(_ message: Message) throws(MalformedMessage) {
        switch Int32(message.type) {
        case NLMSG_ERROR:
            guard let error = message.payload.structure(nlmsgerr.self) else {
                throw MalformedMessage("\(message.payload.count) bytes for nlmsgerr")
            }
            errno = -error.error
            if Int32(message.flags) & NLM_F_ACK_TLVS != 0 {
                // The request that failed is quoted, whole unless the kernel says that it cut it to the header.
                let quoted =
                    Int32(message.flags) & NLM_F_CAPPED != 0
                    ? MemoryLayout<nlmsghdr>.size : aligned(Int(error.msg.nlmsg_len))
                let attributes = try Attributes(message.payload.dropFirst(MemoryLayout<Int32>.size + quoted))
                detail = attributes[Int(NLMSGERR_ATTR_MSG.rawValue)]?.text
            }
        case NLMSG_DONE:
            errno = -(message.payload.structure(Int32.self) ?? 0)
        default:
            return nil
        }
    }
}
