import API
import Addresses
import Agent
import Balancer
import Testing

@testable import l4lb

@Suite struct ServiceViewTests {
    private func state(
        _ mode: Mode, health: HealthBook = HealthBook(),
        _ change: (inout Service, inout ServiceCounters) -> Void = { _, _ in }
    )
        -> ServiceReport
    {
        var service = Service(
            id: 7, frontend: Frontend("40.1.1.1:80")!, backends: [Backend(Endpoint("20.1.1.10:80")!)])
        var counters = ServiceCounters()
        change(&service, &counters)
        return ServiceReport(service, mode: mode, counters: counters, health: health)
    }

    @Test("a service shows its mode, its limits and what it has carried")
    func get() {
        let plain = ServiceGet.lines(state(.snat))
        #expect(
            plain == [
                "service 7  40.1.1.1:80/tcp", "mode         snat (the agent's)", "algorithm    maglev",
                "affinity     none", "sources      all", "limit        none", "health       not checked",
                "origin       command",
                "connections  0 active, 0 in total", "packets      0, 0 B", "replies      0, 0 B",
                "drops        none",
            ])
        let full = ServiceGet.lines(
            state(.dsr) { service, counters in
                service.mode = .dsr
                service.sourceRanges = [IPPrefix("10.0.0.0/8")!, IPPrefix("2001:db8::/32")!]
                service.sourceRangesPolicy = .deny
                service.maxNewConnections = 100
                counters.connections = 3
                counters.totalConnections = 4
                (counters.packets, counters.bytes) = (5, 6000)
                counters.drops = [.newConnections: 8, .sourceRange: 9]
            })
        #expect(full.contains("mode         dsr (its own)"))
        #expect(full.contains("sources      all but 10.0.0.0/8,2001:db8::/32"))
        #expect(full.contains("limit        100 new connections a second"))
        #expect(full.contains("connections  3 active, 4 in total"))
        #expect(full.contains("packets      5, 6.0 kB"))
        #expect(full.contains("replies      -"))
        #expect(full.suffix(3) == ["drops        ", "  source_range  9", "  new_connection_limit  8"])
    }

    @Test("the list shows counters, and leaves the least important columns out on a narrow terminal")
    func list() {
        let table = ServiceList.table([
            state(.snat) { _, counters in
                counters.connections = 3
                counters.totalConnections = 4
                (counters.packets, counters.bytes) = (5, 6000)
                (counters.replyPackets, counters.replyBytes) = (7, 8000)
                counters.drops = [.newConnections: 8, .sourceRange: 9]
            }, state(.dsr),
        ])
        #expect(
            table.rows == [
                [
                    "7", "40.1.1.1:80/tcp", "snat", "maglev", "1", "1", "3", "4", "5", "6.0 kB", "7", "8.0 kB", "17",
                    "command",
                ],
                [
                    "7", "40.1.1.1:80/tcp", "dsr", "maglev", "1", "1", "0", "0", "0", "0 B", "-", "-", "0", "command",
                ],
            ])
        let lines = table.text(width: 80).split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 80 })
        for title in ["ID", "FRONTEND", "BACKENDS", "ACTIVE", "PACKETS", "DROPS"] {
            #expect(lines[0].split(separator: " ").contains(Substring(title)))
        }
    }
}
