import Addresses
import Balancer
import Testing

extension Packet {
    /// A client's packet to the frontend of its family.
    static func request(
        _ transport: TransportProtocol = .tcp, from port: UInt16 = 40000, of client: Place = .client,
        to frontend: UInt16 = 80, _ flags: TCP.Flags = .syn, payload: [UInt8] = [], ttl: UInt8 = 64
    ) -> Packet {
        let ports = Ports(source: port, destination: frontend)
        let content: Content =
            switch transport {
            case .tcp: .tcp(TCP(ports: ports, flags: flags, payload: payload))
            case .udp: .udp(UDP(ports: ports, payload: payload))
            }
        return Packet(
            linkSource: client.link, ttl: ttl, source: client.address,
            destination: client.address.isIPv6 ? Place.frontend6 : Place.frontend, content: content)
    }

    /// What a backend answers to a packet that came to it: made from the translated packet alone.
    func reply(_ flags: TCP.Flags = .ack, payload: [UInt8] = [], ttl: UInt8 = 64) -> Packet {
        var reply = self
        (reply.linkDestination, reply.linkSource) = (linkSource, linkDestination)
        (reply.source, reply.destination) = (destination, source)
        reply.ports = Ports(source: ports.destination, destination: ports.source)
        if case .tcp(var tcp) = reply.content {
            tcp.flags = flags
            reply.content = .tcp(tcp)
        }
        reply.payload = payload
        reply.ttl = ttl
        reply.padding = []
        return reply
    }
}

extension Testbed {
    /// What has to come out for a client's packet, worked out from scratch. The SNAT port and the outer
    /// IPv6 header's flow label are the program's own choice.
    func forwarded(
        _ packet: Packet, to backend: Place, _ mode: Mode, port: UInt16 = 0, flowLabel: UInt32 = 0
    ) -> Packet {
        let source = backend.address.isIPv6 ? Place.balancer6.address : Place.balancer.address
        var inner = packet
        inner.ttl -= 1
        inner.linkDestination = backend.link
        inner.linkSource = Place.balancer.link
        switch mode {
        case .snat:
            inner.source = source
            inner.destination = backend.address
            inner.ports = Ports(source: port, destination: Place.backendPort)
            return inner
        case .dsr:
            var outer = inner.encapsulated(from: source, to: backend.address)
            outer.flowLabel = flowLabel
            return outer
        }
    }

    /// Sends a client's packet, checks every byte of what leaves, and gives it.
    @discardableResult
    func forward(
        _ packet: Packet, _ mode: Mode, _ comment: Comment? = nil, _ location: SourceLocation = #_sourceLocation
    ) throws -> Packet {
        let out = try send(packet).sent(comment, location)
        let backend = try #require(Place.backend(at: out.destination), comment, sourceLocation: location)
        let port = out.ports.source
        if mode == .snat { #expect(snatPorts.contains(port), comment, sourceLocation: location) }
        let expected = forwarded(packet, to: backend, mode, port: port, flowLabel: out.flowLabel)
        #expect(out == expected, comment, sourceLocation: location)
        return out
    }

    /// Sends a backend's reply to a packet that came to it, checks every byte of what the client gets.
    @discardableResult
    func answer(
        _ translated: Packet, _ flags: TCP.Flags = .ack, payload: [UInt8] = [], to request: Packet,
        _ location: SourceLocation = #_sourceLocation
    ) throws -> Packet {
        let reply = translated.reply(flags, payload: payload)
        let out = try send(reply).sent(nil, location)
        var expected = reply
        expected.ttl -= 1
        expected.linkDestination = request.linkSource
        expected.linkSource = Place.balancer.link
        (expected.source, expected.destination) = (request.destination, request.source)
        expected.ports = Ports(source: request.ports.destination, destination: request.ports.source)
        #expect(out == expected, sourceLocation: location)
        return out
    }
}

/// A text-book generator with a seed: the same frames on every run.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
