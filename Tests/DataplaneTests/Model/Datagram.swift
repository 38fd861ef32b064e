import Addresses

/// An IP packet, or the beginning of one that an ICMP error quotes, as values: what only gets carried stays bytes.
/// `bytes` writes it anew; its checksums are worked out from scratch, and one that was wrong is wrong by as much.
struct Datagram {
    var isIPv6: Bool
    var trafficClass: UInt8
    /// IPv4's total length, IPv6's payload length, as the header says.
    var lengthField: UInt16
    /// IPv6 alone.
    var flowLabel: UInt32 = 0
    var hopLimit: UInt8
    var source, destination: IPAddress
    /// IPv4 alone: identification, and flags with offset.
    var identification: UInt16 = 0
    var fragmentField: UInt16 = 0
    var options: [UInt8] = []
    /// IPv6 alone: the extension headers, each with the number that the header before it calls it.
    var chain: [(number: UInt8, bytes: [UInt8])] = []
    /// The protocol that the body begins with: of a fragment, the whole packet's.
    var transport: UInt8
    var body: [UInt8]
    /// What the IPv4 header's checksum was wrong by.
    private var headerError: UInt16 = 0
    /// The last extension header ends behind the frame.
    private var isCut = false
}

/// Why no packet could be read.
enum Unreadable: Error {
    case malformed, routeOption, extensionHeader
}

extension Datagram {
    /// A fragment's place in its packet; nil where the packet is whole.
    struct Fragment {
        /// Units of eight bytes.
        var offset: UInt16
        var identification: UInt32
        var isFirst: Bool { offset == 0 }
    }

    var fragment: Fragment? {
        if isIPv6 {
            guard let header = fragmentHeader.map({ chain[$0].bytes }) else { return nil }
            return Fragment(offset: header.number(at: 2, UInt16.self) >> 3, identification: header.number(at: 4))
        }
        guard fragmentField & 0x3fff != 0 else { return nil }
        return Fragment(offset: fragmentField & 0x1fff, identification: UInt32(identification))
    }

    /// Its place in the chain. A lone first fragment that is the last as well is a whole packet (RFC 6946).
    var fragmentHeader: Int? {
        chain.firstIndex { $0.number == 44 && $0.bytes.number(at: 2, UInt16.self) & 0xfff9 != 0 }
    }

    mutating func setIdentification(_ new: UInt32) {
        if let place = fragmentHeader {
            chain[place].bytes.replaceSubrange(4..<8, with: new.octets)
        } else {
            identification = UInt16(truncatingIfNeeded: new)
        }
    }

    /// The ports of a TCP or UDP header, where four bytes of it are there.
    var ports: Ports? {
        get {
            (transport == 6 || transport == 17) && body.count >= 4 && fragment?.isFirst ?? true ? Ports(body) : nil
        }
        set { if let newValue, ports != nil { body.replaceSubrange(0..<4, with: newValue.octets) } }
    }
}

// MARK: Reading

extension Datagram {
    /// - Parameter isQuote: the packet may end before its header says.
    init(ipv4 bytes: [UInt8], isQuote: Bool = false) throws(Unreadable) {
        guard bytes.count >= 20, bytes[0] >> 4 == 4 else { throw .malformed }
        let header = Int(bytes[0] & 15) * 4
        let total = Int(bytes.number(at: 2, UInt16.self))
        guard header >= 20, isQuote || total >= header && total <= bytes.count && header <= bytes.count else {
            throw .malformed
        }
        isIPv6 = false
        trafficClass = bytes[1]
        lengthField = bytes.number(at: 2)
        hopLimit = bytes[8]
        source = IPAddress(octets: Array(bytes[12..<16]))
        destination = IPAddress(octets: Array(bytes[16..<20]))
        identification = bytes.number(at: 4)
        fragmentField = bytes.number(at: 6)
        options = Array(bytes[20..<min(header, bytes.count)])
        transport = bytes[9]
        body = Array((isQuote ? bytes : Array(bytes[..<total])).dropFirst(header))
        headerError = Checksum.difference(bytes.number(at: 10), headerChecksum)
        if let fragment, !fragment.isFirst, body.isEmpty, !isQuote { throw .malformed }
    }

    /// The options in front of a packet's transport header: RFC 791 section 3.1.
    func checkOptions() throws(Unreadable) {
        var rest = options[...]
        while let kind = rest.first, kind != 0 {
            guard kind != 131, kind != 137 else { throw .routeOption }
            guard kind != 1 else {
                rest = rest.dropFirst()
                continue
            }
            guard let length = rest.dropFirst().first, length >= 2, length <= rest.count else { throw .malformed }
            rest = rest.dropFirst(Int(length))
        }
    }

    init(ipv6 bytes: [UInt8], isQuote: Bool = false) throws(Unreadable) {
        guard bytes.count >= 40, bytes[0] >> 4 == 6 else { throw .malformed }
        let total = 40 + Int(bytes.number(at: 4, UInt16.self))
        let first = bytes.number(at: 0, UInt32.self)
        isIPv6 = true
        trafficClass = UInt8(truncatingIfNeeded: first >> 20)
        flowLabel = first & 0xfffff
        lengthField = bytes.number(at: 4)
        hopLimit = bytes[7]
        source = IPAddress(octets: Array(bytes[8..<24]))
        destination = IPAddress(octets: Array(bytes[24..<40]))
        transport = bytes[6]
        body = Array(bytes[40...])
        try walk()
        guard !isQuote else { return }
        let beyond = bytes.count - total
        guard beyond >= 0, beyond <= body.count, !isCut else { throw .malformed }
        body.removeLast(beyond)
        if let fragment, !fragment.isFirst, body.isEmpty { throw .malformed }
    }

    /// Takes the extension headers off the body (RFC 8200 section 4).
    private mutating func walk() throws(Unreadable) {
        while [0, 43, 44, 60].contains(transport), fragment?.isFirst ?? true {
            guard body.count >= 8, !isCut else { throw .malformed }
            guard chain.count < 6, transport != 0 || chain.isEmpty else { throw .extensionHeader }
            guard transport != 43 || body[3] == 0 else { throw .extensionHeader }
            // A packet is in fragments once.
            guard transport != 44 || fragment == nil || body.number(at: 2, UInt16.self) & 0xfff9 == 0 else {
                throw .extensionHeader
            }
            let length = transport == 44 ? 8 : (Int(body[1]) + 1) * 8
            isCut = length > body.count
            chain.append((transport, Array(body.prefix(length))))
            transport = body[0]
            body.removeFirst(min(length, body.count))
        }
    }
}

// MARK: Writing

extension Datagram {
    var bytes: [UInt8] {
        if isIPv6 {
            let first = 0x6000_0000 | UInt32(trafficClass) << 20 | flowLabel
            let next = chain.first?.number ?? transport
            return first.octets + lengthField.octets + [next, hopLimit] + source.octets + destination.octets
                + chain.flatMap(\.bytes) + body
        }
        return header(checksum: Checksum.sum(headerChecksum, headerError)) + body
    }

    private func header(checksum: UInt16) -> [UInt8] {
        [UInt8(0x45 + options.count / 4), trafficClass] + lengthField.octets + identification.octets
            + fragmentField.octets + [hopLimit, transport] + checksum.octets + source.octets + destination.octets
            + options
    }

    private var headerChecksum: UInt16 { internetChecksum(header(checksum: 0)) }

    /// Where in the body its checksum lies; nil where there is none, or none that can be told.
    private var checksumPlace: Int? {
        guard fragment?.isFirst ?? true else { return nil }
        let place: Int
        switch transport {
        case 6: place = 16
        case 17: place = 6
        case isIPv6 ? 58 : 1: place = 2
        default: return nil
        }
        guard body.count >= place + 2 else { return nil }
        // RFC 768: the sender made none.
        if transport == 17, body.number(at: place, UInt16.self) == 0 { return nil }
        return place
    }

    /// The checksum that the body ought to have, as far as the body is there.
    private func bodyChecksum(at place: Int) -> UInt16 {
        let isPlain = transport == 1
        let pseudo = isPlain ? [] : source.octets + destination.octets + UInt32(body.count).octets + [0, transport]
        return internetChecksum(pseudo + body.replacing(at: place, with: [0, 0]))
    }

    /// A change of the packet after which the checksum in its body is as right, or wrong by as much, as before.
    mutating func change(_ change: (inout Datagram) -> Void) {
        guard let place = checksumPlace else { return change(&self) }
        let error = Checksum.difference(body.number(at: place), bodyChecksum(at: place))
        change(&self)
        let sum = Checksum.sum(bodyChecksum(at: place), error)
        body.replaceSubrange(place..<place + 2, with: (sum == 0 && transport == 17 ? 0xffff : sum).octets)
    }
}

/// Numbers of one's complement arithmetic, in which 0 and 0xffff are the same (RFC 1071).
enum Checksum {
    static func difference(_ a: UInt16, _ b: UInt16) -> UInt16 { UInt16((UInt32(a) + 0xffff - UInt32(b)) % 0xffff) }
    static func sum(_ a: UInt16, _ b: UInt16) -> UInt16 { UInt16((UInt32(a) + UInt32(b)) % 0xffff) }
}
