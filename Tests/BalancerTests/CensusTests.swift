import Addresses
import CDataplane
import Testing

@testable import Balancer

@Suite struct CensusTests {
    /// Two SNAT connections, one of them ended, a DSR one, and a reply slot that rests.
    private var snapshot: FlowSnapshot {
        var slots = l4lb_flow.snat(backend: 1, at: 8, stamp: 1000, replyStamp: 1000, counts: (1, 40, 2, 80))
        slots.merge(
            l4lb_flow.snat(phase: L4LB_PHASE_SYN, backend: 2, at: 16, stamp: 0, replyStamp: 0, counts: (3, 120, 4, 160))
        ) { $1 }
        slots[24] = .slot(
            L4LB_FLOW_DSR, from: "10.0.0.1:7", to: "40.1.1.1:80", backend: 1, stamp: 1000, packets: 5, bytes: 500)
        slots[96] = .slot(
            L4LB_FLOW_REPLY, from: "20.1.1.30:80", to: "20.1.1.9:5000", phase: L4LB_PHASE_CLOSING, backend: 3,
            stamp: 900, packets: 6, bytes: 600, nat: "10.0.0.1:8")
        slots[40] = l4lb_flow()
        return FlowSnapshot(slots, now: 1000)
    }

    @Test("a census counts what lives, and knows what is named by any slot")
    func counts() {
        let census = FlowCensus(snapshot)
        #expect(census.connections == [.snat: 1, .dsr: 1])
        #expect(census.backends.mapValues(\.connections.total) == [1: 2, 2: 0, 3: 0])
        #expect(census.backends[1]?.connections[.snat, .established] == 1)
        #expect(census.backends[1]?.connections[.dsr, .established] == 1)
        #expect(census.backends.mapValues(\.ports) == [1: 1, 2: 0, 3: 0])
        #expect(census.sources == ["20.1.1.1"])
        // The SNAT connections have two slots each; the reply slot that rests is alone in its connection's place.
        #expect(census.table == .init(slots: 6, records: 4))
        #expect(census.table6 == .init())
    }

    @Test("both families' tables are told apart, where the same slot is another flow")
    func families() throws {
        let (client, frontend): (Endpoint, Endpoint) = ("[2001:db8:c::1]:1000", "[2001:db8::1]:80")
        let (server, balancer): (Endpoint, Endpoint) = ("[2001:db8:20::10]:8080", "[2001:db8:20::1]:5000")
        let six = [
            UInt32(8): l4lb_flow6.slot(
                L4LB_FLOW_SNAT, from: client, to: frontend, backend: 4, stamp: 1000, packets: 1, bytes: 2,
                nat: balancer),
            72: .slot(
                L4LB_FLOW_REPLY, from: server, to: balancer, backend: 4, stamp: 1000, packets: 3, bytes: 4,
                nat: client),
        ]
        var flows = snapshot.flows
        for (slot, raw) in six { flows[FlowPlace(slot, isIPv6: true)] = Flow(raw, peer: slot ^ 64) }
        let both = FlowSnapshot(flows: flows, now: 1000, clock: FlowSnapshot.clock, timeouts: Timeouts())
        let census = FlowCensus(both)
        #expect(census.table == .init(slots: 6, records: 4) && census.table6 == .init(slots: 2, records: 1))
        #expect(census.connections == [.snat: 2, .dsr: 1])
        #expect(census.sources == ["20.1.1.1", "2001:db8:20::1"])
        #expect(Set(census.backends.keys) == [1, 2, 3, 4])
        let key = BackendKey(frontend: "[2001:db8::1]:80", backend: server)
        let found = both.connections(where: { _ in true }, keys: { $0 == 4 ? key : nil })
        let connection = try #require(found.first)
        #expect(found.count == 1)
        #expect("\(connection.client) \(connection.frontend)" == "[2001:db8:c::1]:1000 [2001:db8::1]:80/tcp")
        #expect((connection.packets, connection.bytes) == (1, 2))
        #expect(connection.replyPackets == 3 && connection.replyBytes == 4)
    }

    @Test("of an empty table there is nothing to tell")
    func empty() {
        let census = FlowCensus(FlowSnapshot([:], now: 0))
        #expect(census.connections.isEmpty)
        #expect(census.backends.isEmpty)
        #expect(census.table == .init())
    }

    @Test("a backend's totals are those of connections that are gone and of those in the table")
    func totals() {
        let gone = [
            UInt16(1): l4lb_totals(
                connections: 9, packets: 100, bytes: 4000, reply_packets: 200, reply_bytes: 8000, ports_used_up: 0,
                pad: (0, 0, 0, 0, 0)),
            5: l4lb_totals(
                connections: 4, packets: 10, bytes: 20, reply_packets: 30, reply_bytes: 40, ports_used_up: 0,
                pad: (0, 0, 0, 0, 0)),
        ]
        let totals = BackendTotals(gone: gone, flows: snapshot.flows.values)
        let census = FlowCensus(snapshot)
        func report(_ index: UInt16?) -> [UInt64] {
            let report = totals.report(Backend("20.1.1.10:80"), at: index, census: census)
            #expect(report.backend.endpoint == "20.1.1.10:80")
            return [
                UInt64(report.connections), report.totalConnections, report.packets, report.bytes, report.replyPackets,
                report.replyBytes,
            ]
        }
        #expect(report(1) == [2, 11, 106, 4540, 202, 8080])
        #expect(report(2) == [0, 1, 3, 120, 4, 160])
        #expect(report(3) == [0, 0, 0, 0, 6, 600])
        #expect(report(5) == [0, 4, 10, 20, 30, 40])
        #expect(report(6) == [0, 0, 0, 0, 0, 0])
        #expect(report(nil) == [0, 0, 0, 0, 0, 0])
    }
}
