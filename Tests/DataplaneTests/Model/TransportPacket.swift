import Addresses
import Balancer

/// A TCP or UDP packet on its way through the model, with what its first fragment said where it is a later one.
struct TransportPacket {
    let datagram: Datagram
    let arrival: Arrival
    /// 6 or 17: only the first of an IPv6 packet's fragments tells it.
    var transport: UInt8
    var ports = Ports(source: 0, destination: 0)
    /// None for UDP and for later fragments.
    var flags: TCP.Flags = []

    var isLaterFragment: Bool { datagram.fragment?.isFirst == false }

    var tuple: ReferenceTuple {
        ReferenceTuple(
            transport: transport, source: Endpoint(datagram.source, port: ports.source),
            destination: Endpoint(datagram.destination, port: ports.destination))
    }

    /// For reports.
    var kind: String {
        let piece = datagram.fragment.map { $0.isFirst ? "first fragment" : "later fragment" }
        let isPlain = datagram.options.isEmpty && datagram.chain.isEmpty
        return "\(datagram.source.familyName) \(piece ?? (isPlain ? "plain" : "with headers"))"
    }

    /// Nil for a whole packet.
    var fragmentKey: ReferenceFragmentKey? {
        datagram.fragment.map {
            ReferenceFragmentKey(
                source: datagram.source, destination: datagram.destination, identification: $0.identification,
                transport: datagram.isIPv6 ? 0 : datagram.transport)
        }
    }

    var length: Int { datagram.bytes.count }
    var padding: [UInt8] { arrival.padding(behind: datagram) }

    /// Where what the program made of it by SNAT comes from: its headers are as long as they were. Nil for a later
    /// fragment, and where nothing was sent.
    var seenSource: Endpoint? {
        let place = 14 + length - datagram.body.count
        guard !isLaterFragment, arrival.seen.frame.count >= place + 4, let begin = seenBegin else { return nil }
        return Endpoint(begin.address, port: arrival.seen.frame.number(at: place))
    }

    /// The same without its port, which a later fragment does not tell.
    var seenBegin: Endpoint? {
        let place = datagram.isIPv6 ? 22..<38 : 26..<30
        guard arrival.seen.frame.count >= place.upperBound, arrival.seen.verdict != .drop else { return nil }
        return Endpoint(IPAddress(octets: Array(arrival.seen.frame[place])), port: 0)
    }

    /// The fragment identification in what the program made of it.
    var seenIdentification: UInt32? {
        let frame = arrival.seen.frame
        guard datagram.isIPv6 else { return frame.count >= 20 ? UInt32(frame.number(at: 18, UInt16.self)) : nil }
        guard let index = datagram.fragmentHeader else { return nil }
        let place = 14 + 40 + datagram.chain[..<index].map(\.bytes.count).reduce(0, +) + 4
        return frame.count >= place + 4 ? frame.number(at: place) : nil
    }
}

extension Arrival {
    func padding(behind datagram: Datagram) -> [UInt8] { Array(frame[(14 + datagram.bytes.count)...]) }
}

extension Datagram {
    /// A whole packet's or a first fragment's ports, once its TCP or UDP header is known to be there and not to lie.
    func checkedPorts() throws(Unreadable) -> Ports {
        if transport == 6 {
            guard body.count >= 20, body[12] >> 4 >= 5, Int(body[12] >> 4) * 4 <= body.count else { throw .malformed }
        } else {
            guard body.count >= 8 else { throw .malformed }
            let length = Int(body.number(at: 4, UInt16.self))
            guard length >= 8, fragment != nil || length <= body.count else { throw .malformed }
        }
        return Ports(body)
    }
}

extension ReferenceFlow {
    mutating func count(_ packet: TransportPacket) {
        packets += 1
        bytes += UInt64(packet.length)
    }
}

extension ReferenceConnection {
    mutating func see(fromClient flags: TCP.Flags) {
        if !flags.contains(.syn) { seen.insert(.acked) }
        if flags.contains(.fin) { seen.insert(.clientFin) }
        if flags.contains(.rst) { seen.insert(.reset) }
    }

    mutating func see(fromBackend flags: TCP.Flags) {
        seen.insert(flags.contains(.rst) ? .reset : .replied)
        if flags.contains(.fin) { seen.insert(.backendFin) }
    }
}
