import Addresses
import CDataplane

@testable import Balancer

/// Slots of the flow table as the XDP program writes them, at 4 ticks a second.
extension l4lb_flow {
    /// Connections of the table that these slots belong to.
    static let records: UInt32 = 64

    static func slot(
        _ kind: l4lb_flow_kind, from source: Endpoint, to destination: Endpoint, _ transport: TransportProtocol = .tcp,
        phase: l4lb_phase = L4LB_PHASE_ESTABLISHED, backend: UInt16 = 0, created: UInt32 = 0,
        stamp: UInt32 = 0, packets: UInt64 = 0, bytes: UInt64 = 0, nat: Endpoint? = nil
    ) -> l4lb_flow {
        var slot = l4lb_flow()
        slot.version = 2
        slot.protocol = transport.rawValue
        slot.kind = UInt8(kind.rawValue)
        // What has been seen lies above the phase.
        slot.state = UInt8(phase.rawValue) | UInt8(L4LB_STATE_ACKED.rawValue)
        (slot.source, slot.source_port) = source.raw
        (slot.destination, slot.destination_port) = destination.raw
        slot.stamp = stamp
        slot.packets = packets
        slot.bytes = bytes
        slot.backend = backend
        slot.created = created
        if let nat { (slot.nat_address, slot.nat_port) = nat.raw }
        return slot
    }

    /// Both directions of a SNAT connection in the slots `place` and `place + records`.
    static func snat(
        client: Endpoint = "10.0.0.1:1000", frontend: Endpoint = "40.1.1.1:80", _ transport: TransportProtocol = .tcp,
        phase: l4lb_phase = L4LB_PHASE_ESTABLISHED, backend: UInt16 = 0, at place: UInt32, created: UInt32 = 0,
        stamp: UInt32, replyStamp: UInt32, counts: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    ) -> [UInt32: l4lb_flow] {
        let (balancer, server): (Endpoint, Endpoint) = ("20.1.1.1:5000", "20.1.1.10:80")
        return [
            place: slot(
                L4LB_FLOW_SNAT, from: client, to: frontend, transport, phase: phase, backend: backend,
                created: created, stamp: stamp, packets: counts.0, bytes: counts.1, nat: balancer),
            place + records: slot(
                L4LB_FLOW_REPLY, from: server, to: balancer, transport, phase: phase, backend: backend,
                created: 0x0101_0128, stamp: replyStamp, packets: counts.2, bytes: counts.3, nat: client),
        ]
    }
}

extension l4lb_flow6 {
    /// A slot of the IPv6 table: its addresses lie behind what both families have in common.
    static func slot(
        _ kind: l4lb_flow_kind, from source: Endpoint, to destination: Endpoint, _ transport: TransportProtocol = .tcp,
        phase: l4lb_phase = L4LB_PHASE_ESTABLISHED, backend: UInt16 = 0, created: UInt32 = 0,
        stamp: UInt32 = 0, packets: UInt64 = 0, bytes: UInt64 = 0, nat: Endpoint? = nil
    ) -> l4lb_flow6 {
        var slot = l4lb_flow6()
        slot.flow = .slot(
            kind, from: source, to: destination, transport, phase: phase, backend: backend,
            created: created, stamp: stamp, packets: packets, bytes: bytes, nat: nat)
        // There, addresses are one word made of both.
        (slot.flow.source, slot.flow.destination) = (0x0102_0304, 0x0506_0708)
        slot.flow.source_port = source.port.networkOrder
        slot.flow.destination_port = destination.port.networkOrder
        slot.source = l4lb_address(source.address)
        slot.destination = l4lb_address(destination.address)
        if let nat {
            slot.nat = l4lb_address(nat.address)
            slot.flow.nat_port = nat.port.networkOrder
        }
        return slot
    }
}

extension Endpoint {
    fileprivate var raw: (UInt32, UInt16) {
        guard case .v4(let address) = address else { return (0, 0) }
        return (address.networkOrder, port.networkOrder)
    }
}

extension FlowSnapshot {
    /// At 256 Hz a tick is a quarter second: 60 s are 240 ticks.
    static let clock = Clock(hertz: 256)

    init(_ slots: [UInt32: l4lb_flow], now: UInt32) {
        self.init(
            flows: Dictionary(
                uniqueKeysWithValues: slots.compactMap { place, slot in
                    Flow(slot, peer: place ^ l4lb_flow.records).map { (FlowPlace(place), $0) }
                }),
            now: now, clock: Self.clock, timeouts: Timeouts())
    }

    func hasEnded(_ slot: UInt32) -> Bool { hasEnded(flows[FlowPlace(slot)]!, at: FlowPlace(slot)) }
    func isCollectable(_ slot: UInt32) -> Bool { isCollectable(flows[FlowPlace(slot)]!, at: FlowPlace(slot)) }
}
