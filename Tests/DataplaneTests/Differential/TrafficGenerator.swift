import Addresses
import Balancer

/// Frames as they could come, the same ones on every run: honest ones of connections that go on, their replies and
/// fragments, ICMP about them, and all of these with something wrong.
struct TrafficGenerator {
    var random: SplitMix64
    /// Frontends and what is none.
    let targets: [Target]
    /// The rest of a sequence that has begun.
    var waiting: [[UInt8]] = []
    /// What the program has sent of late: towards backends, and back to clients.
    var toBackends: [[UInt8]] = []
    var toClients: [[UInt8]] = []
    /// Clients' packets that were forwarded of late.
    var forwarded: [Packet] = []

    struct Target {
        var address: IPAddress
        var port: UInt16
    }

    static let remembered = 48

    init(seed: UInt64, targets: [Target]) {
        random = SplitMix64(seed: seed)
        self.targets = targets
    }

    mutating func next() -> [UInt8] {
        if !waiting.isEmpty, number(0..<4) > 0 { return waiting.removeFirst() }
        let frame = honest()
        return chance(5) ? mutated(frame) : frame
    }

    /// What has become of a frame: replies and errors are made from it.
    mutating func learn(_ frame: [UInt8], _ outcome: Outcome) {
        guard outcome.verdict == .transmit || outcome.verdict == .redirect else { return }
        let isBack = Array(outcome.frame[..<6]) == Array(frame[6..<12])
        let out = outcome.frame
        if isBack || Place.clientLinks.contains(where: { $0.octets == Array(out[..<6]) }) {
            Self.remember(out, in: &toClients)
        } else {
            Self.remember(out, in: &toBackends)
            if let packet = Packet(frame) {
                forwarded.append(packet)
                if forwarded.count > Self.remembered { forwarded.removeFirst() }
            }
        }
    }

    private static func remember(_ frame: [UInt8], in frames: inout [[UInt8]]) {
        frames.append(frame)
        if frames.count > remembered { frames.removeFirst() }
    }

    // MARK: Chance

    mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }
    /// Once in so many times.
    mutating func chance(_ times: Int) -> Bool { number(0..<times) == 0 }
    mutating func one<Element>(_ elements: [Element]) -> Element { elements[number(0..<elements.count)] }
    mutating func byte() -> UInt8 { UInt8(number(0..<256)) }
    mutating func bytes(_ count: Int) -> [UInt8] {
        let start = byte()
        return (0..<count).map { start &+ UInt8(truncatingIfNeeded: $0 &* 37) }
    }

    // MARK: Honest frames

    mutating func honest() -> [UInt8] {
        switch number(0..<100) {
        case 0..<46: return client().bytes
        case 46..<66: return reply()?.bytes ?? client().bytes
        case 66..<76:
            let packet = chance(3) ? reply() ?? client() : client()
            waiting += fragments(of: packet).map(\.bytes)
            return waiting.removeFirst()
        case 76..<92: return error().bytes
        case 92..<96: return echo().bytes
        case 96..<98: return otherProtocol().bytes
        default: return bytes(number(14..<1601))
        }
    }

    /// A client's packet.
    mutating func client() -> Packet {
        let target = one(targets)
        let ports = Ports(source: UInt16(40000 + number(0..<4)), destination: target.port)
        // Jumbo frames are rare: they lie in several parts.
        let payload = bytes(
            chance(40)
                ? number(1461..<8900)
                : one([0, 0, 1, 2, 3, 17, 64, 536, 1200, 1380, 1399, 1400, 1412, 1420, 1440, 1460]))
        let content: Packet.Content =
            chance(3)
            ? .udp(UDP(ports: ports, hasChecksum: !chance(12), payload: payload))
            : .tcp(
                TCP(
                    ports: ports, flags: flags(), options: bytes(chance(3) ? 4 * number(0..<11) : 0), payload: payload))
        let host = number(0..<6)
        var packet = Packet(
            linkSource: Place.clientLinks[chance(20) ? number(0..<3) : host % 3],
            source: target.address.isIPv6 ? IPAddress("2001:db8:c::\(10 + host)")! : IPAddress("192.0.2.\(10 + host)")!,
            destination: target.address, content: content)
        if chance(60) { packet.source = one(Self.oddSources(target.address)) }
        dress(&packet)
        return packet
    }

    static func oddSources(_ target: IPAddress) -> [IPAddress] {
        target.isIPv6
            ? ["ff02::1", "::1", "::", "fe80::1", "2001:db8:20::10", target]
            : ["224.0.0.1", "127.0.0.1", "0.0.0.0", "255.255.255.255", "20.1.1.10", target]
    }

    mutating func flags() -> TCP.Flags {
        switch number(0..<20) {
        case 0..<5: .syn
        case 5..<12: .ack
        case 12..<15: [.psh, .ack]
        case 15, 16: [.fin, .ack]
        case 17: .rst
        case 18: [.syn, .ack]
        default: TCP.Flags(rawValue: byte())
        }
    }

    /// The parts of an IP header that do not tell where it goes.
    mutating func dress(_ packet: inout Packet) {
        packet.tos = chance(2) ? 0 : byte()
        packet.ttl = chance(10) ? one([0, 1, 2, 255]) : 64
        packet.identification = UInt16(number(0..<65536))
        packet.fragment = chance(4) ? 0 : 0x4000
        packet.flowLabel = UInt32(number(0..<1 << 20))
        if chance(10) { packet.padding = bytes(number(1..<20)) }
        guard chance(6) else { return }
        if packet.isIPv6 {
            packet.extensions = (0..<one([1, 1, 2, 3, 5, 6, 7])).map { _ in anExtension() }
            if chance(2) { packet.extensions.insert(.hopByHop(Extension.padding), at: 0) }
        } else {
            packet.options = one(Self.options)
        }
    }

    mutating func anExtension() -> Extension {
        switch number(0..<12) {
        case 0: .hopByHop(Extension.padding)
        case 1: .routing(type: 0, segmentsLeft: 1, data: [UInt8](repeating: 0, count: 20))
        case 2...4: .routing(type: byte(), segmentsLeft: 0, data: bytes(one([4, 12, 20])))
        case 5...7: .fragment(offset: 0, more: false, identification: UInt32(number(0..<65536)))
        default: .destination(bytes(one([6, 14, 62])))
        }
    }

    /// No-ops, end of list, record route, timestamp, router alert; the two source routes; and lists that lie.
    static let options: [[UInt8]] = [
        [1, 1, 1, 0], [0, 0, 0, 0], [7, 7, 4, 0, 0, 0, 0, 0], [68, 8, 5, 0, 0, 0, 0, 0], [148, 4, 0, 0],
        [0, 131, 3, 4], [UInt8](repeating: 1, count: 40), [131, 7, 4, 10, 0, 0, 1, 0], [1, 137, 7, 4, 10, 0, 0, 1],
        [131, 3, 4, 148, 4, 0, 0, 0], [7, 0, 4, 0], [7, 1, 0, 0], [7, 5, 4, 0], [1, 1, 1, 7], [131, 0, 0, 0],
        [131, 7, 4, 10, 0, 0, 1, 68],
    ]

    /// A backend's reply to something that came to it, or to nothing.
    mutating func reply() -> Packet? {
        guard !toBackends.isEmpty, let packet = Packet(one(toBackends)), packet.ports.source != 0 else { return nil }
        var reply = packet.reply(flags(), payload: bytes(one([0, 1, 2, 100, 1400, 1460])))
        if chance(15) { reply.ports.destination = UInt16(20000 + number(0..<4000)) }
        reply.extensions = []
        reply.options = []
        dress(&reply)
        return reply
    }

    /// A packet's fragments, not always all of them and not always in order.
    mutating func fragments(of packet: Packet) -> [Packet] {
        var packet = packet
        if packet.payload.count < 100 || chance(3) { packet.payload = bytes(number(100..<4000)) }
        packet.options = packet.options.count <= 8 ? packet.options : []
        packet.extensions.removeAll { $0.number == 44 }
        let size = 8 * one([1, 2, 3, 4, 8, 32, 64, 177, 185])
        var pieces = packet.fragments(
            of: max(size, packet.contentBytes.count / 48 * 8), identification: UInt32(number(0..<64)))
        if pieces.count > 12 { pieces.removeSubrange(6..<pieces.count - 2) }
        if chance(3) { pieces.shuffle(using: &random) }
        if chance(4) { pieces.remove(at: number(0..<pieces.count)) }
        if chance(4), let first = pieces.first { pieces.insert(first, at: number(0..<pieces.count)) }
        return pieces.isEmpty ? [packet] : pieces
    }

    mutating func echo() -> Packet {
        let target = one(targets).address
        let ttl = byte()
        var packet = Packet(
            source: target.isIPv6 ? "2001:db8:c::10" : "192.0.2.10", destination: target,
            content: .icmp(
                ICMP(type: target.isIPv6 ? 128 : 8, code: chance(8) ? 1 : 0, data: bytes(number(0..<200)))))
        dress(&packet)
        if chance(8) { packet.fragment = 0x2000 }
        packet.ttl = ttl
        return packet
    }

    mutating func otherProtocol() -> Packet {
        var packet = client()
        packet.content = .other(byte(), bytes(number(0..<64)))
        return packet
    }
}

extension Place {
    /// Routers that clients' packets come from.
    static let clientLinks = ["02:00:00:00:00:0c", "02:00:00:00:00:0d", "02:00:00:00:00:0e"]
        .map { LinkAddress($0)! }
}
