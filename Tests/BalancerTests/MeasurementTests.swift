import Addresses
import CDataplane
import Testing

@testable import Balancer

@Suite struct MeasurementTests {
    private let frontend: Frontend = "40.1.1.1:80"

    private func totals(_ connections: UInt64, _ packets: UInt64) -> l4lb_totals {
        l4lb_totals(
            connections: connections, packets: packets, bytes: packets * 100, reply_packets: packets * 2,
            reply_bytes: packets * 1000, ports_used_up: 0, pad: (0, 0, 0, 0, 0))
    }

    private func census(_ packets: UInt64?, backend: UInt16 = 0) -> FlowCensus {
        let slots = packets.map {
            l4lb_flow.snat(backend: backend, at: 8, stamp: 1000, replyStamp: 1000, counts: ($0, $0 * 100, $0, $0))
        }
        return FlowCensus(FlowSnapshot(slots ?? [:], now: 1000))
    }

    @Test("a backend's counters are those of connections that are gone and of living ones")
    func sums() {
        let measured = Measurement(uptime: 5, gone: [0: totals(3, 10), 1: totals(1, 7)], census: census(4))
        #expect(measured.uptime == 5)
        #expect(measured.traffic(at: 0).connections == 4)
        #expect((measured.traffic(at: 0).packets, measured.traffic(at: 0).bytes) == (14, 1400))
        #expect((measured.traffic(at: 0).replyPackets, measured.traffic(at: 0).replyBytes) == (24, 10_004))
        #expect(measured.traffic(at: 1).packets == 7)
        #expect(measured.traffic(at: 2) == Traffic())
    }

    @Test(
        "no counter goes down, though a connection may be evicted between two readings",
        arguments: [
            // What was counted as gone, what is in the table, and the packets that are told.
            [(10, 4, 14), (10, nil, 14), (14, nil, 14), (15, nil, 15)],
            [(0, 5, 5), (0, nil, 5), (5, 2, 7)],
            [(0, nil, 0), (3, nil, 3)],
        ] as [[(UInt64, UInt64?, UInt64)]])
    func neverDown(steps: [(gone: UInt64, living: UInt64?, told: UInt64)]) {
        var last: Measurement?
        for step in steps {
            let now = Measurement(
                uptime: 0, gone: [0: totals(0, step.gone)], census: census(step.living), previous: last)
            #expect(now.traffic(at: 0).packets == step.told)
            last = now
        }
    }

    @Test("a place that is given to another backend begins at 0")
    func forgotten() {
        var measured = Measurement(uptime: 0, gone: [0: totals(3, 10)], census: census(nil))
        measured.forget(0)
        #expect(measured.traffic(at: 0) == Traffic())
        let next = Measurement(uptime: 1, gone: [0: totals(0, 1)], census: census(nil), previous: measured)
        #expect(next.traffic(at: 0).packets == 1)
    }

    @Test("a service's counters have what backends carried that have left, with their connections")
    func services() throws {
        var state = DesiredState(mode: .snat)
        _ = try state.update(request("40.1.1.1:80", "20.1.1.10:80,20.1.1.20:80", id: "7"), origin: .command)
        _ = try state.update(request("40.1.1.2:80/udp", "20.1.1.10:80", id: "3", mode: "dsr"), origin: .command)
        var indices = BackendIndices(capacity: 8)
        for backend in ["20.1.1.10:80", "20.1.1.20:80", "20.1.1.30:80"] as [Endpoint] {
            _ = indices.index(for: .init(frontend: frontend, backend: backend))
        }
        // 20.1.1.30 has left, and a connection is on it.
        let measured = Measurement(
            uptime: 1, gone: [0: totals(1, 10), 1: totals(2, 20), 2: totals(3, 30)], census: census(4, backend: 2))
        var departed = DepartedTotals()
        departed.add(totals(5, 50), of: frontend)
        let all = ServiceMetrics.all(of: state, indices: indices, measurement: measured, departed: departed)
        #expect(all.map(\.service.id) == [3, 7])
        let service = try #require(all.last)
        #expect(service.traffic.packets == 10 + 20 + 30 + 50 + 4 && service.traffic.connections == 12)
        #expect(service.connections.total == 1 && service.connections[.snat, .established] == 1)
        #expect(service.backends.map(\.backend.endpoint) == ["20.1.1.10:80", "20.1.1.20:80"])
        #expect(service.backends.map(\.traffic.packets) == [10, 20])
        #expect(service.hasReplies && service.backends.allSatisfy(\.hasReplies))
        #expect(all[0].mode == .dsr && !all[0].hasReplies && !all[0].backends[0].hasReplies)
    }

    @Test("the backends with the fewest SNAT ports left come first, those on all ports not at all")
    func ports() {
        var indices = BackendIndices(capacity: 8)
        _ = indices.index(for: .init(frontend: frontend, backend: "20.1.1.10:80"))
        _ = indices.index(for: .init(frontend: "40.1.1.2:80", backend: "20.1.1.10:80"))
        _ = indices.index(for: .init(frontend: frontend, backend: "20.1.1.20:80"))
        _ = indices.index(for: .init(frontend: "40.1.1.3:*", backend: "20.1.1.30:*"))
        var census = FlowCensus(FlowSnapshot([:], now: 0))
        for (index, ports) in [(0, 2), (1, 3), (2, 4), (3, 9)] as [(UInt16, Int)] {
            census.backends[index] = .init()
            census.backends[index]?.ports = ports
        }
        let found = Measurement(uptime: 0, gone: [:], census: census)
            .snatPortUse(indices, ports: 1000, sources: SourceAddresses())
        #expect(found.map(\.backend) == ["20.1.1.10:80", "20.1.1.20:80"])
        #expect(found.map(\.inUse) == [5, 4] && found.allSatisfy { $0.available == 1000 })
    }
}
