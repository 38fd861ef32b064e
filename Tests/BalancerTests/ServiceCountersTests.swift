import Addresses
import CDataplane
import Testing

@testable import Balancer

@Suite struct ServiceCountersTests {
    private func totals(_ connections: UInt64, _ packets: UInt64) -> l4lb_totals {
        l4lb_totals(
            connections: connections, packets: packets, bytes: packets * 100, reply_packets: packets * 2,
            reply_bytes: packets * 1000, ports_used_up: 0, pad: (0, 0, 0, 0, 0))
    }

    @Test("a service's counters are those of its backends, also of one that has left")
    func sums() throws {
        var indices = BackendIndices(capacity: 8)
        for backend in ["20.1.1.10:80", "20.1.1.20:80"] as [Endpoint] {
            _ = indices.index(for: .init(frontend: "40.1.1.1:80", backend: backend))
        }
        _ = indices.index(for: .init(frontend: "40.1.1.2:80", backend: "20.1.1.10:80"))
        var slots = l4lb_flow.snat(backend: 0, at: 8, stamp: 1000, replyStamp: 1000, counts: (1, 40, 2, 80))
        slots.merge(l4lb_flow.snat(backend: 1, at: 16, stamp: 1000, replyStamp: 1000, counts: (1, 40, 2, 80))) { $1 }
        let snapshot = FlowSnapshot(slots, now: 1000)
        let gone: [UInt16: l4lb_totals] = [0: totals(3, 10), 1: totals(4, 20), 2: totals(5, 30)]
        var departed = DepartedTotals()
        func services() -> [Frontend: ServiceCounters] {
            BackendTotals(gone: gone, flows: snapshot.flows.values).services(
                indices, census: FlowCensus(snapshot), departed: departed)
        }
        let before = try #require(services()["40.1.1.1:80"])
        #expect(before.connections == 2 && before.totalConnections == 9)
        #expect((before.packets, before.bytes) == (32, 3080))
        #expect((before.replyPackets, before.replyBytes) == (64, 30_160))
        #expect(services()["40.1.1.2:80"]?.totalConnections == 5)

        // A backend's place is released once no flow names it: what it had carried stays.
        departed.add(totals(4, 20), of: "40.1.1.1:80")
        indices.release(.init(frontend: "40.1.1.1:80", backend: "20.1.1.20:80"))
        let after = try #require(services()["40.1.1.1:80"])
        #expect(after.totalConnections == 8 && after.connections == 1)
        #expect(after.packets == before.packets - 1)
    }

    @Test("what a deleted service had carried is forgotten")
    func forgotten() throws {
        var state = DesiredState(mode: .snat)
        _ = try state.update(request("40.1.1.1:80"), origin: .command)
        var departed = DepartedTotals()
        departed.add(totals(1, 2), of: "40.1.1.1:80")
        departed.add(totals(1, 2), of: "40.1.1.2:80")
        departed.keep(only: state)
        #expect(departed["40.1.1.1:80"].packets == 2)
        #expect(departed["40.1.1.2:80"] == ServiceCounters())
    }
}
