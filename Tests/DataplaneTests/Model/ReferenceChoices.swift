import Addresses
import Balancer

/// The program's own choices: what is allowed of them, and what follows.
extension ReferenceBalancer {
    /// The backend of a new connection: the table's, or the one that the program chose where it is allowed.
    func chosen(_ service: ReferenceService, _ packet: TransportPacket) -> ReferenceBackend? {
        if let table = service.table {
            let hash = backendHash(packet)
            return service.backends[table[Int((UInt64(hash) * UInt64(table.count)) >> 32)]]
        }
        let able = service.backends.filter(\.takesConnections)
        guard packet.arrival.seen.verdict == .transmit || packet.arrival.seen.verdict == .redirect else {
            return able.first
        }
        let frame = packet.arrival.seen.frame
        let isIPv6 = frame[12...13] == [0x86, 0xdd]
        guard frame.count >= (isIPv6 ? 54 : 34) else { return nil }
        let destination = IPAddress(octets: Array(isIPv6 ? frame[38..<54] : frame[30..<34]))
        guard let found = able.first(where: { $0.address == destination }) else {
            // It may have been answered by ICMP.
            return destination == packet.datagram.source ? able.first : nil
        }
        return found
    }

    /// The public hash: the finalizer of MurmurHash3 over the words of the tuple, as they lie in memory on a
    /// little-endian machine.
    func backendHash(_ packet: TransportPacket) -> UInt32 {
        let word = { (octets: [UInt8]) in octets.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        let datagram = packet.datagram
        var hash = maglevSeed
        let addresses = datagram.source.octets + datagram.destination.octets
        for start in stride(from: 0, to: addresses.count, by: 8) {
            hash = (hash ^ word(Array(addresses[start..<start + 8]))) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash >> 33
        }
        hash = (hash ^ word(packet.ports.octets + [packet.transport])) &* 0xc4ce_b9fe_1a85_ec53
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        return UInt32((hash ^ hash >> 33) >> 32)
    }

    /// A fragment of a SNAT connection leaves between two addresses: the first one that does tells with which
    /// identification the others will. Gives what is not allowed about it.
    mutating func bind(
        _ key: ReferenceFragmentKey, _ packet: TransportPacket, from source: IPAddress, to destination: IPAddress
    ) -> String? {
        guard fragments[key]?.identification == nil, let seen = packet.seenIdentification else { return nil }
        fragments[key]?.identification = seen
        // A connection that chose anew meanwhile sends the rest elsewhere: nothing is put together there.
        guard !packet.isLaterFragment else { return nil }
        let out = ReferenceFragmentKey(
            source: source, destination: destination, identification: seen, transport: key.transport)
        defer { drawn[out] = key }
        guard let other = drawn[out], other != key, fragments[other]?.identification == seen else { return nil }
        return "fragments of two packets leave with the identification \(seen)"
    }

    /// A new SNAT connection's end towards its backend is the one that its first packet leaves with. Gives what is not
    /// allowed about it.
    mutating func bind(_ number: Int, to end: Endpoint, _ backend: ReferenceBackend) -> String? {
        guard let connection = connections[number], connection.translated == nil else { return nil }
        connections[number]?.translated = end
        portless = nil
        guard let tuple = connections[number]?.replyTuple else { return nil }
        defer { replies[tuple] = ReferenceFlow(connection: number, stamp: now) }
        let given = snatAddresses.filter { $0.isIPv6 == end.address.isIPv6 }
        guard (given.isEmpty ? [backend.hop.source] : given).contains(end.address) else {
            return "SNAT address \(end.address) is none of the allowed ones"
        }
        guard snatPorts.contains(end.port) else { return "SNAT port \(end.port) is none of the allowed ones" }
        if let other = replies[tuple], let holder = connections[other.connection], isAlive(other, holder) {
            return "\(end) is in use towards \(connection.backendEnd)"
        }
        return nil
    }

    /// What the flow table says of a connection whose packets have not told its port.
    mutating func learn(_ end: Endpoint, of number: Int) -> String? {
        guard let connection = connections[number], let backend = backends[connection.backend] else { return nil }
        return bind(number, to: end, backend)
    }

    /// The outer source of a DSR connection's packets: always the same one.
    mutating func outerSource(_ number: Int, _ backend: ReferenceBackend, seen frame: [UInt8]) -> IPAddress {
        let isIPv6 = backend.address.isIPv6
        guard let prefix = outerSources.first(where: { $0.address.isIPv6 == isIPv6 }) else { return backend.hop.source }
        if let known = connections[number]?.outerSource { return known }
        let place = isIPv6 ? 22..<38 : 26..<30
        guard frame.count >= place.upperBound else { return prefix.address }
        let source = IPAddress(octets: Array(frame[place]))
        guard prefix.contains(source) else { return prefix.address }
        connections[number]?.outerSource = source
        return source
    }

    /// Sources that no client has.
    func isImpossible(_ source: IPAddress, to destination: IPAddress) -> Bool {
        if source == destination { return true }
        switch source {
        case .v4(let address):
            return address.isMulticast || address.isReserved || address.isLoopback || address.isUnspecified
        case .v6(let address):
            // Multicast, unspecified, loopback, and IPv4's in IPv6's form (RFC 4291 sections 2.4 and 2.5.5).
            return address.high >> 56 == 0xff || address.high == 0 && [0, 0xffff].contains(address.low >> 32)
        }
    }
}
