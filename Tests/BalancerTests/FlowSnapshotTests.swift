import Addresses
import CDataplane
import Testing

@testable import Balancer

@Suite struct FlowTests {
    @Test("a slot is read as the XDP program wrote it")
    func reads() throws {
        let slots = l4lb_flow.snat(
            client: "10.0.0.1:1000", frontend: "40.1.1.1:80", .udp, phase: L4LB_PHASE_UDP, backend: 7, at: 40,
            created: 3,
            stamp: 9, replyStamp: 8, counts: (1, 2, 3, 4))
        let (forward, reply) = (try #require(Flow(slots[40]!, peer: 104)), try #require(Flow(slots[104]!, peer: 40)))
        #expect((forward.kind, reply.kind) == (.snat, .reply))
        #expect((forward.source, forward.destination) == ("10.0.0.1:1000", "40.1.1.1:80"))
        #expect((reply.source, reply.destination) == ("20.1.1.10:80", "20.1.1.1:5000"))
        #expect((forward.transport, forward.phase, forward.backend, forward.peer) == (.udp, .active, 7, 104))
        #expect((forward.created, forward.stamp, forward.packets, forward.bytes) == (3, 9, 1, 2))
        #expect(forward.translated == "20.1.1.1:5000")
        #expect(reply.translated == nil)
    }

    @Test(
        "the phase is shown whatever else has been seen",
        arguments: [
            (L4LB_PHASE_SYN.rawValue, .syn), (L4LB_PHASE_ESTABLISHED.rawValue, .established),
            (L4LB_PHASE_CLOSING.rawValue, .closing), (L4LB_PHASE_UDP.rawValue, .active),
        ] as [(UInt32, ConnectionState)])
    func phases(phase: UInt32, state: ConnectionState) {
        var slot = l4lb_flow.slot(L4LB_FLOW_DSR, from: "10.0.0.1:1000", to: "40.1.1.1:80")
        for seen in UInt8(0)..<32 {
            slot.state = UInt8(phase) | seen << 2
            #expect(Flow(slot, peer: 0)?.phase == state)
        }
    }

    @Test("slots that are free, being written or unknown hold no flow")
    func unused() {
        let good = l4lb_flow.slot(L4LB_FLOW_DSR, from: "10.0.0.1:1000", to: "40.1.1.1:80")
        #expect(Flow(good, peer: 0) != nil)
        func flow(_ change: (inout l4lb_flow) -> Void) -> Flow? {
            var slot = good
            change(&slot)
            return Flow(slot, peer: 0)
        }
        #expect(Flow(l4lb_flow(), peer: 0) == nil)
        #expect(flow { $0.version = 3 } == nil)
        #expect(flow { $0.version = .max } == nil)
        #expect(flow { $0.protocol = 0 } == nil)
        #expect(flow { $0.protocol = 1 } == nil)
        #expect(flow { $0.kind = 0 } == nil)
        #expect(flow { $0.kind = 4 } == nil)
        #expect(flow { $0.kind = .max } == nil)
    }
}

@Suite struct FlowSnapshotTests {
    private static let key = BackendKey(frontend: "40.1.1.1:80", backend: "20.1.1.10:80")

    private func connections(_ snapshot: FlowSnapshot) -> [Connection] {
        snapshot.connections(where: { $0 == Self.key }, keys: { $0 == 0 ? Self.key : nil })
    }

    @Test("a SNAT connection is one line made of both of its slots")
    func snat() throws {
        let slots = l4lb_flow.snat(at: 8, created: 100, stamp: 400, replyStamp: 480, counts: (10, 1000, 20, 30_000))
        let found = connections(FlowSnapshot(slots, now: 500))
        #expect(found.count == 1)
        let connection = try #require(found.first)
        #expect(connection.client == "10.0.0.1:1000")
        #expect(connection.frontend == "40.1.1.1:80/tcp")
        #expect(connection.backend == "20.1.1.10:80")
        #expect((connection.mode, connection.state) == (.snat, .established))
        #expect((connection.age, connection.idle) == (100, 5))
        #expect((connection.packets, connection.bytes) == (10, 1000))
        #expect((connection.replyPackets, connection.replyBytes) == (20, 30_000))
    }

    @Test("a DSR connection has no replies to show, which is not the same as none")
    func dsr() throws {
        let slot = l4lb_flow.slot(
            L4LB_FLOW_DSR, from: "10.0.0.1:1000", to: "40.1.1.1:80", created: 8, stamp: 16, packets: 3, bytes: 120)
        let connection = try #require(connections(FlowSnapshot([5: slot], now: 17)).first)
        #expect(connection.mode == .dsr)
        #expect(connection.replyPackets == nil)
        #expect(connection.replyBytes == nil)
        #expect((connection.age, connection.idle) == (2, 0))
    }

    @Test("a SNAT connection whose reply slot is gone has had no replies")
    func orphan() throws {
        var slots = l4lb_flow.snat(at: 8, stamp: 0, replyStamp: 0, counts: (1, 40, 1, 40))
        slots[72] = nil
        let connection = try #require(connections(FlowSnapshot(slots, now: 1)).first)
        #expect((connection.replyPackets, connection.replyBytes) == (0, 0))
    }

    @Test(
        "a connection ends when it has been idle for its phase's time",
        arguments: [
            (L4LB_PHASE_SYN.rawValue, 60), (L4LB_PHASE_ESTABLISHED.rawValue, 8000), (L4LB_PHASE_CLOSING.rawValue, 10),
            (L4LB_PHASE_UDP.rawValue, 60),
        ] as [(UInt32, UInt32)])
    func expiry(phase: UInt32, seconds: UInt32) {
        let slot = l4lb_flow.slot(
            L4LB_FLOW_DSR, from: "10.0.0.1:1000", to: "40.1.1.1:80", phase: .init(phase), stamp: 1000)
        for (now, ended) in [
            (990, false), (1000, false), (1000 + seconds * 4 - 1, false), (1000 + seconds * 4, true),
            (1000 + seconds * 40, true),
        ] as [(UInt32, Bool)] {
            let snapshot = FlowSnapshot([5: slot], now: now)
            #expect(snapshot.hasEnded(5) == ended, "at \(now)")
            #expect(connections(snapshot).isEmpty == ended)
            #expect(snapshot.isCollectable(5) == ended)
        }
    }

    @Test("time goes on over the end of the 32-bit ticks")
    func wraps() throws {
        let start = UInt32.max - 100
        let slot = l4lb_flow.slot(
            L4LB_FLOW_DSR, from: "10.0.0.1:1000", to: "40.1.1.1:80", created: start, stamp: start + 60)
        let connection = try #require(connections(FlowSnapshot([5: slot], now: start &+ 160)).first)
        #expect((connection.age, connection.idle) == (40, 25))
        #expect(FlowSnapshot([5: slot], now: start &+ 60 &+ 32_000).hasEnded(5))
    }

    @Test(
        "either direction keeps both slots alive",
        arguments: [(9000, 9000 + 31_000), (9000 + 31_000, 9000)] as [(UInt32, UInt32)])
    func pairs(stamp: UInt32, replyStamp: UInt32) {
        let slots = l4lb_flow.snat(at: 8, stamp: stamp, replyStamp: replyStamp)
        let alive = FlowSnapshot(slots, now: 9000 + 31_000 + 31_999)
        #expect(!alive.hasEnded(8) && !alive.hasEnded(72))
        let ended = FlowSnapshot(slots, now: 9000 + 31_000 + 32_000)
        #expect(ended.hasEnded(8) && ended.hasEnded(72))
        #expect(ended.isCollectable(8) && ended.isCollectable(72))
    }

    @Test("a slot that now belongs to another connection keeps nobody alive")
    func strangers() {
        var slots = l4lb_flow.snat(at: 8, stamp: 0, replyStamp: 0)
        let now: UInt32 = 100_000
        // A reply in the place of another connection.
        slots[73] = slots[72]
        slots[73]?.stamp = now
        #expect(FlowSnapshot(slots, now: now).hasEnded(8))
        // A forward slot where a reply belongs.
        slots[72] = .slot(L4LB_FLOW_SNAT, from: "10.0.0.2:1", to: "40.1.1.1:80", stamp: now)
        #expect(FlowSnapshot(slots, now: now).hasEnded(8))
        // A reply whose forward slot is a DSR connection's now.
        slots = l4lb_flow.snat(at: 8, stamp: 0, replyStamp: 0)
        slots[8] = .slot(L4LB_FLOW_DSR, from: "10.0.0.2:1", to: "40.1.1.1:80", stamp: now)
        #expect(FlowSnapshot(slots, now: now).hasEnded(72))
        #expect(!FlowSnapshot(slots, now: now).hasEnded(8))
    }

    @Test("the port of a closed connection rests for 60 s before its slot is free")
    func portRest() {
        let slots = l4lb_flow.snat(phase: L4LB_PHASE_CLOSING, at: 8, stamp: 1000, replyStamp: 1000)
        let closed = FlowSnapshot(slots, now: 1040)
        #expect(closed.hasEnded(8) && closed.hasEnded(72))
        #expect(closed.isCollectable(8) && !closed.isCollectable(72))
        // The forward slot has been freed meanwhile.
        let alone = slots.filter { $0.key == 72 }
        #expect(!FlowSnapshot(alone, now: 1000 + 240).isCollectable(72))
        #expect(FlowSnapshot(alone, now: 1000 + 241).isCollectable(72))
        #expect(!FlowSnapshot(alone, now: 990).isCollectable(72), "a stamp from just now may be ahead")
    }

    @Test("connections are listed oldest first, then by client")
    func order() {
        let created: [(client: Endpoint, created: UInt32)] = [
            ("10.0.0.9:1", 5), ("10.0.0.3:1", 7), ("10.0.0.10:1", 7), ("10.0.0.3:2", 7), ("10.0.0.1:1", 10),
            // Begun after the clock was read.
            ("10.0.0.2:1", 11),
        ]
        var slots: [UInt32: l4lb_flow] = [:]
        for (place, entry) in created.enumerated() {
            slots[UInt32(place) * 8] = .slot(
                L4LB_FLOW_DSR, from: entry.client, to: "40.1.1.1:80", created: entry.created, stamp: 10)
        }
        #expect(
            connections(FlowSnapshot(slots, now: 10)).map(\.client) == [
                "10.0.0.9:1", "10.0.0.3:1", "10.0.0.3:2", "10.0.0.10:1", "10.0.0.1:1", "10.0.0.2:1",
            ])
    }

    @Test("only connections of the backends that are asked for are listed")
    func wanted() {
        var slots = l4lb_flow.snat(backend: 0, at: 8, stamp: 0, replyStamp: 0)
        slots.merge(l4lb_flow.snat(backend: 1, at: 16, stamp: 0, replyStamp: 0)) { $1 }
        let snapshot = FlowSnapshot(slots, now: 0)
        #expect(connections(snapshot).count == 1)
        #expect(snapshot.connections(where: { _ in false }, keys: { _ in Self.key }).isEmpty)
        #expect(snapshot.connections(where: { _ in true }, keys: { _ in Self.key }).count == 2)
    }
}
