import Addresses
import Balancer

/// ICMP and ICMPv6 that come in: echo requests, and errors about connections.
extension ReferenceBalancer {
    /// Nil: it passes.
    mutating func icmp(_ datagram: Datagram, _ arrival: Arrival) throws(Unreadable) -> ReferenceOutcome? {
        guard datagram.body.count >= 8 else { throw .malformed }
        let isWhole = wholeAddresses.contains(datagram.destination)
        if isWhole, isImpossible(datagram.source, to: datagram.destination) { return .drop("malformed") }
        let (type, code) = (datagram.body[0], datagram.body[1])
        let (echo, errors): (UInt8, Set<UInt8>) = datagram.isIPv6 ? (128, [1, 2, 3, 4]) : (8, [3, 4, 11, 12])
        if type == echo, code == 0 { return isWhole ? answered(datagram, arrival) : nil }
        return errors.contains(type) ? error(datagram, arrival) : nil
    }

    private func answered(_ echo: Datagram, _ arrival: Arrival) -> ReferenceOutcome {
        var reply = echo
        reply.change {
            $0.source = echo.destination
            $0.destination = echo.source
            $0.hopLimit = 64
            $0.body[0] = echo.isIPv6 ? 129 : 0
        }
        let frame =
            arrival.linkSource.octets + link.octets + arrival.frame[12..<14] + reply.bytes
            + arrival.padding(behind: echo)
        return ReferenceOutcome(
            verdict: .transmit, frame: frame, counters: ["icmp_echo_answered"],
            zeroAt: 14 + echo.bytes.count - echo.body.count + 2, way: "echo \(echo.source.familyName)")
    }

    // MARK: Errors

    /// An error about a packet that one of our connections sent. Nil: it passes.
    private mutating func error(_ datagram: Datagram, _ arrival: Arrival) -> ReferenceOutcome? {
        let bytes = Array(datagram.body[8...])
        let read = try? datagram.isIPv6 ? Datagram(ipv6: bytes, isQuote: true) : Datagram(ipv4: bytes, isQuote: true)
        guard let quote = read, quote.fragment?.isFirst ?? true else { return nil }
        if quote.transport == 4 || quote.transport == 41, modes.contains(.dsr) {
            return errorAboutOuter(datagram, quote, arrival)
        }
        guard let ports = quote.ports, quote.body.count >= 8 else { return nil }
        let tuple = ReferenceTuple(
            transport: quote.transport, source: Endpoint(quote.destination, port: ports.destination),
            destination: Endpoint(quote.source, port: ports.source))
        if let connection = known(forward[tuple], arrival) {
            return errorToBackend(datagram, quote, arrival, connection)
        }
        if let connection = known(replies[tuple], arrival) {
            guard datagram.hopLimit > 1 else { return .drop("ttl_expired_reply") }
            var outcome = rewritten(
                datagram, quote, arrival, to: connection.client.source, from: connection.client.destination,
                by: connection.clientLink, link, isHere: true)
            outcome.way = "error to SNAT client \(datagram.source.familyName)"
            return outcome
        }
        return nil
    }

    /// The connection of a direction. One that has ended is known until its place is taken: either will do.
    private func known(_ flow: ReferenceFlow?, _ arrival: Arrival) -> ReferenceConnection? {
        guard let flow, let connection = connections[flow.connection] else { return nil }
        return isAlive(flow, connection) || arrival.seen.verdict != .pass ? connection : nil
    }

    /// About a reply that reached the client's side: its sender is the backend.
    private mutating func errorToBackend(
        _ datagram: Datagram, _ quote: Datagram, _ arrival: Arrival, _ connection: ReferenceConnection
    ) -> ReferenceOutcome? {
        guard let backend = backends[connection.backend] else { return nil }
        guard datagram.hopLimit > 1 else { return .drop("ttl_expired_reply") }
        guard let next = backend.hop.link, !backend.isInMaintenance else { return .drop("no_neighbour") }
        guard connection.mode == .snat else {
            // No error is sent about an error (RFC 1122 section 3.2.2, RFC 4443 section 2.4).
            guard datagram.bytes.count + (backend.address.isIPv6 ? 40 : 20) <= backend.hop.mtu else {
                return .drop("too_big")
            }
            var outcome = encapsulated(datagram, arrival, connection.number, backend, next)
            outcome.counters.append("icmp_error_forwarded")
            outcome.way = "error to DSR backend \(datagram.source.familyName) in \(backend.address.familyName)"
            return outcome
        }
        guard let source = connection.translated else { return nil }
        var outcome = rewritten(
            datagram, quote, arrival, to: connection.backendEnd, from: source, by: next, backend.hop.ourLink,
            isHere: backend.hop.isHere)
        outcome.way = "error to SNAT backend \(datagram.source.familyName)"
        return outcome
    }

    /// The error with its destination, and both ends of the packet that it quotes, as the receiver knows them: `to`
    /// sent the quoted packet, and `from` is where it went.
    private func rewritten(
        _ datagram: Datagram, _ quote: Datagram, _ arrival: Arrival, to receiver: Endpoint, from other: Endpoint,
        by next: LinkAddress, _ ourLink: LinkAddress, isHere: Bool
    ) -> ReferenceOutcome {
        var quote = quote
        quote.change {
            $0.source = receiver.address
            $0.destination = other.address
            $0.ports = Ports(source: receiver.port, destination: other.port)
        }
        var error = datagram
        error.change {
            $0.destination = receiver.address
            $0.body = Array($0.body[..<8]) + quote.bytes
        }
        error.hopLimit -= 1
        let frame =
            next.octets + ourLink.octets + arrival.frame[12..<14] + error.bytes + arrival.padding(behind: datagram)
        return ReferenceOutcome(
            verdict: isHere ? .transmit : .redirect, frame: frame, counters: ["icmp_error_forwarded"])
    }

    /// About a DSR packet on its way to the backend: the client gets the same about the packet inside.
    private func errorAboutOuter(_ datagram: Datagram, _ quote: Datagram, _ arrival: Arrival) -> ReferenceOutcome? {
        let isIPv6 = quote.transport == 41
        guard quote.body.count >= (isIPv6 ? 40 : 20) else { return .drop("icmp_quote_too_short") }
        let inner: Datagram
        do {
            inner = try isIPv6 ? Datagram(ipv6: quote.body, isQuote: true) : Datagram(ipv4: quote.body, isQuote: true)
        } catch {
            // Cut in its extension headers, or nothing that was ever sent from here.
            let isCut = error == .malformed && isIPv6 && quote.body[0] >> 4 == 6
            return isCut ? .drop("icmp_quote_too_short") : nil
        }
        guard inner.fragment?.isFirst ?? true, [6, 17].contains(inner.transport) else { return nil }
        guard inner.body.count >= 8, let ports = inner.ports else { return .drop("icmp_quote_too_short") }
        let tuple = ReferenceTuple(
            transport: inner.transport, source: Endpoint(inner.source, port: ports.source),
            destination: Endpoint(inner.destination, port: ports.destination))
        guard let connection = known(forward[tuple], arrival), connection.mode == .dsr else { return nil }
        let limit = isIPv6 ? 1280 - 48 : 576 - 28
        // Its last word is about the outer header, but for the MTU.
        var error = ICMP(type: datagram.body[0], code: datagram.body[1])
        let isTooBig = datagram.isIPv6 ? error.type == 2 : (error.type, error.code) == (3, 4)
        let isTimeExceeded = error.type == (datagram.isIPv6 ? 3 : 11)
        if isTooBig {
            let mtu = datagram.body.number(at: 4, UInt32.self) & (datagram.isIPv6 ? 0xffff_ffff : 0xffff)
            let header: UInt32 = datagram.isIPv6 ? 40 : 20
            (error.type, error.code) = isIPv6 ? (2, 0) : (3, 4)
            error.rest = (mtu > header ? mtu - header : 0) & (isIPv6 ? 0xffff_ffff : 0xffff)
        } else if isIPv6 != datagram.isIPv6 {
            (error.type, error.code) =
                isTimeExceeded ? (isIPv6 ? 3 : 11, 0) : isIPv6 ? (1, 3) : (3, 1)
        }
        error.data = Array(quote.body.prefix(limit))
        let packet = Packet(
            linkDestination: connection.clientLink, linkSource: link, identification: 0, flowLabel: 0,
            source: connection.client.destination.address, destination: connection.client.source.address,
            content: .icmp(error))
        return ReferenceOutcome(
            verdict: .transmit, frame: packet.bytes, counters: ["icmp_error_forwarded"],
            way: "error to DSR client \(inner.source.familyName) in \(datagram.source.familyName)")
    }

    // MARK: Our own errors

    /// The hop limit of a request ends here.
    func timeExceeded(_ packet: TransportPacket, _ backend: ReferenceBackend) -> ReferenceOutcome? {
        // Nothing is said about other fragments than the first (RFC 1122 section 3.2.2).
        guard !packet.isLaterFragment else { return .drop("ttl_expired_reply") }
        let isIPv6 = packet.datagram.isIPv6
        let source = backend.hop.source.isIPv6 == isIPv6 ? backend.hop.source : backend.hop.otherSource
        var outcome = sent(
            packet, ICMP(type: isIPv6 ? 3 : 11), from: source ?? packet.datagram.destination)
        outcome.counters = ["icmp_time_exceeded_sent"]
        outcome.way = "time exceeded \(packet.datagram.source.familyName)"
        return outcome
    }

    /// Nil where the packet fits.
    func tooBig(_ packet: TransportPacket, _ mode: Mode, _ backend: ReferenceBackend) -> ReferenceOutcome? {
        let isIPv6 = packet.datagram.isIPv6
        let outer = mode == .snat ? 0 : backend.address.isIPv6 ? 40 : 20
        // Nothing is put in front in SNAT: out of the device that it came in by it fits.
        guard packet.length + outer > backend.hop.mtu, mode == .dsr || !backend.hop.isHere else { return nil }
        guard !packet.isLaterFragment else { return .drop("too_big") }
        let rest = UInt32(backend.hop.mtu - outer)
        let error = isIPv6 ? ICMP(type: 2, rest: rest) : ICMP(type: 3, code: 4, rest: rest)
        var outcome = sent(packet, error, from: packet.datagram.destination)
        outcome.counters = ["icmp_too_big_sent"]
        outcome.way = "too big \(mode) \(packet.datagram.source.familyName) to \(backend.address.familyName)"
        if !isIPv6, packet.datagram.fragmentField & 0x4000 == 0 { outcome.counters.append("too_big") }
        return outcome
    }

    /// An error back to where the packet came from, which quotes what fits in 576 or 1280 bytes (RFC 1812 section
    /// 4.3.2.3, RFC 4443 section 2.4).
    private func sent(_ packet: TransportPacket, _ error: ICMP, from source: IPAddress) -> ReferenceOutcome {
        var error = error
        let limit = packet.datagram.isIPv6 ? 1280 - 48 : 576 - 28
        error.data = Array(packet.arrival.bytes.prefix(min(packet.length, limit)))
        let answer = Packet(
            linkDestination: packet.arrival.linkSource, linkSource: link, identification: 0, flowLabel: 0,
            source: source, destination: packet.datagram.source, content: .icmp(error))
        return ReferenceOutcome(verdict: .transmit, frame: answer.bytes)
    }
}
