import Addresses
import Balancer

/// TCP and UDP, whole and in fragments.
extension ReferenceBalancer {
    /// Nil: it passes.
    mutating func decide(_ datagram: Datagram, _ arrival: Arrival) throws(Unreadable) -> ReferenceOutcome? {
        let isICMP = datagram.transport == (datagram.isIPv6 ? 58 : 1)
        var packet = TransportPacket(datagram: datagram, arrival: arrival, transport: datagram.transport)
        // The first fragment alone tells what an IPv6 packet is.
        let isOpaque = datagram.isIPv6 && packet.isLaterFragment
        guard isICMP || isOpaque || datagram.transport == 6 || datagram.transport == 17 else { return nil }
        guard !isICMP || isOpaque || datagram.fragment == nil else { return nil }
        try datagram.checkOptions()
        guard !packet.isLaterFragment else { return laterFragment(packet) }
        guard !isICMP else { return try icmp(datagram, arrival) }
        packet.ports = try datagram.checkedPorts()
        packet.flags = datagram.transport == 6 ? TCP.Flags(rawValue: datagram.body[13]) : []
        if datagram.isIPv6, datagram.transport == 17, datagram.body[6...7] == [0, 0] {
            return refused("udp_checksum_zero", at: datagram.destination, .ports(17, packet.ports))
        }
        return forwarded(packet)
    }

    private mutating func laterFragment(_ packet: TransportPacket) -> ReferenceOutcome? {
        guard let key = packet.fragmentKey, let known = fragments[key], now &- known.stamp <= timeouts.fragment else {
            return refused("fragment", at: packet.datagram.destination, .nothing)
        }
        var packet = packet
        packet.ports = known.ports
        packet.transport = known.transport
        return forwarded(packet)
    }

    /// A first fragment of a connection: the others will follow it.
    private mutating func register(_ packet: TransportPacket) {
        guard let key = packet.fragmentKey, !packet.isLaterFragment else { return }
        fragments[key] = ReferenceFragment(ports: packet.ports, transport: packet.transport, stamp: now)
    }

    private mutating func forwarded(_ packet: TransportPacket) -> ReferenceOutcome? {
        let tuple = packet.tuple
        if let flow = forward[tuple], let outcome = goOn(packet, flow) { return outcome }
        if let flow = replies[tuple], let connection = connections[flow.connection] {
            if let outcome = reply(packet, flow, connection) { return outcome }
        }
        return begin(packet)
    }

    // MARK: A connection that exists

    func isAlive(_ flow: ReferenceFlow, _ connection: ReferenceConnection) -> Bool {
        now &- flow.stamp <= timeouts.of(connection.state)
    }

    /// Nil: the connection has ended, or has to choose anew.
    private mutating func goOn(_ packet: TransportPacket, _ flow: ReferenceFlow) -> ReferenceOutcome? {
        guard var connection = connections[flow.connection], let backend = backends[connection.backend],
            !backend.isInMaintenance, isAlive(flow, connection)
        else { return nil }
        touch(connection)
        if packet.flags.contains(.syn), !packet.flags.contains(.ack), connection.state == .closing { return nil }
        // A later fragment has no flags that could tell anything.
        if !packet.isLaterFragment { connection.see(fromClient: packet.flags) }
        connections[flow.connection] = connection
        return send(packet, flow.connection, backend)
    }

    /// Both directions know the last packet of either.
    private mutating func touch(_ connection: ReferenceConnection) {
        if forward[connection.client]?.connection == connection.number { forward[connection.client]?.stamp = now }
        guard let tuple = connection.replyTuple, replies[tuple]?.connection == connection.number else { return }
        replies[tuple]?.stamp = now
    }

    /// A backend's reply. Nil: the connection has ended.
    private mutating func reply(
        _ packet: TransportPacket, _ flow: ReferenceFlow, _ connection: ReferenceConnection
    ) -> ReferenceOutcome? {
        guard isAlive(flow, connection) else { return nil }
        touch(connection)
        if !packet.isLaterFragment { connections[flow.connection]?.see(fromBackend: packet.flags) }
        register(packet)
        guard packet.datagram.hopLimit > 1 else { return .drop("ttl_expired_reply") }
        replies[packet.tuple]?.count(packet)
        let ends = (connection.client.destination, connection.client.source)
        var outcome = translated(packet, from: ends.0, to: ends.1, by: connection.clientLink, link, isHere: true)
        outcome.way = "reply \(packet.kind)"
        return outcome
    }

    // MARK: A new connection

    private mutating func begin(_ packet: TransportPacket) -> ReferenceOutcome? {
        let datagram = packet.datagram
        guard let service = service(datagram.destination, packet.ports.destination, packet.transport) else {
            return nil
        }
        guard !isImpossible(datagram.source, to: datagram.destination) else { return .drop("malformed") }
        guard service.serves(datagram.source) else { return .drop("source_range") }
        guard service.backends.contains(where: \.takesConnections) else { return .drop("no_backend") }
        guard let backend = chosen(service, packet) else {
            return ReferenceOutcome(verdict: .transmit, objection: "to none of the service's backends that take any")
        }
        guard backend.hop.link != nil, backend.hop.isCurrent else { return .drop("no_neighbour") }
        guard datagram.hopLimit > 1 else { return timeExceeded(packet, backend) }
        let number = remember(packet, service, backend)
        return send(packet, number, backend)
    }

    private mutating func remember(
        _ packet: TransportPacket, _ service: ReferenceService, _ backend: ReferenceBackend
    ) -> Int {
        let tuple = packet.tuple
        if let old = forward[tuple], let connection = connections[old.connection] {
            // A closed connection's port rests: its reply direction ends by itself.
            if connection.state != .closing || connection.mode == .dsr { forget(old.connection) }
        }
        begun += 1
        var connection = ReferenceConnection(
            number: begun, mode: service.mode, client: tuple, backend: service.key(of: backend), created: now,
            backendEnd: Endpoint(backend.address, port: backend.port == 0 ? packet.ports.destination : backend.port),
            clientLink: packet.arrival.linkSource)
        connection.see(fromClient: packet.flags)
        connections[begun] = connection
        portless = service.mode == .snat ? begun : nil
        forward[tuple] = ReferenceFlow(connection: begun, stamp: now)
        return begun
    }

    private mutating func forget(_ number: Int) {
        if let tuple = connections[number]?.replyTuple, replies[tuple]?.connection == number { replies[tuple] = nil }
        connections[number] = nil
    }

    // MARK: What is sent

    private mutating func send(
        _ packet: TransportPacket, _ number: Int, _ backend: ReferenceBackend
    ) -> ReferenceOutcome? {
        guard let connection = connections[number] else { return nil }
        register(packet)
        guard let next = backend.hop.link else { return .drop("no_neighbour") }
        guard packet.datagram.hopLimit > 1 else { return timeExceeded(packet, backend) }
        connections[number]?.clientLink = packet.arrival.linkSource
        if let outcome = tooBig(packet, connection.mode, backend) { return outcome }
        forward[packet.tuple]?.count(packet)
        guard connection.mode == .snat else {
            var outcome = encapsulated(packet.datagram, packet.arrival, number, backend, next)
            outcome.way = "DSR \(packet.kind) in \(backend.address.familyName)"
            return outcome
        }
        let objection = packet.seenSource.flatMap { bind(number, to: $0, backend) }
        let source = connections[number]?.translated ?? packet.seenBegin ?? Endpoint(backend.hop.source, port: 0)
        var outcome = translated(
            packet, from: source, to: connection.backendEnd, by: next, backend.hop.ourLink, isHere: backend.hop.isHere)
        outcome.objection = outcome.objection ?? objection
        outcome.way = "SNAT \(packet.kind)"
        return outcome
    }

    /// SNAT in either direction.
    private mutating func translated(
        _ packet: TransportPacket, from source: Endpoint, to destination: Endpoint, by next: LinkAddress,
        _ ourLink: LinkAddress, isHere: Bool
    ) -> ReferenceOutcome {
        var datagram = packet.datagram
        datagram.change {
            $0.source = source.address
            $0.destination = destination.address
            $0.ports = Ports(source: source.port, destination: destination.port)
        }
        datagram.hopLimit -= 1
        var objection: String?
        if let key = packet.fragmentKey {
            objection = bind(key, packet, from: source.address, to: destination.address)
            datagram.setIdentification(fragments[key]?.identification ?? 0)
        }
        let frame = next.octets + ourLink.octets + packet.arrival.frame[12..<14] + datagram.bytes + packet.padding
        return ReferenceOutcome(verdict: isHere ? .transmit : .redirect, frame: frame, objection: objection)
    }

    /// DSR: the whole datagram, its hop limit one less, in another.
    mutating func encapsulated(
        _ datagram: Datagram, _ arrival: Arrival, _ number: Int, _ backend: ReferenceBackend, _ next: LinkAddress
    ) -> ReferenceOutcome {
        var inner = datagram
        inner.hopLimit -= 1
        let seen = arrival.seen.frame
        let label = seen.count >= 18 ? seen.number(at: 14, UInt32.self) & 0xfffff : 0
        let outer = Packet(
            linkDestination: next, linkSource: backend.hop.ourLink, tos: datagram.trafficClass, identification: 0,
            fragment: 0x4000, flowLabel: label, ttl: 64, source: outerSource(number, backend, seen: seen),
            destination: backend.address,
            content: .other(datagram.isIPv6 ? 41 : 4, inner.bytes), padding: arrival.padding(behind: datagram))
        return ReferenceOutcome(verdict: backend.hop.isHere ? .transmit : .redirect, frame: outer.bytes)
    }
}
