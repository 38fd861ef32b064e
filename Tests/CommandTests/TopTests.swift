import Testing

@testable import API
@testable import Balancer
@testable import Terminal
@testable import l4lb

@Suite struct TopTests {
    private func counters(
        _ connections: Int = 1, total: UInt64 = 0, packets: UInt64 = 0, replies: UInt64? = 0
    ) -> TrafficReport.Counters {
        var traffic = Traffic()
        (traffic.connections, traffic.packets, traffic.bytes) = (total, packets, packets * 100)
        (traffic.replyPackets, traffic.replyBytes) = (replies ?? 0, (replies ?? 0) * 1000)
        return .init(connections: connections, traffic, hasReplies: replies != nil)
    }

    private func report(_ uptime: Double, _ counters: TrafficReport.Counters, drops: UInt64 = 0) -> TrafficReport {
        var report = TrafficReport(uptime: uptime, services: [])
        report.services = [
            .init(
                id: 1, frontend: "40.1.1.1:80/tcp", mode: "snat", traffic: counters, drops: drops,
                backends: [.init(backend: "20.1.1.10:80", weight: 1, state: "active", health: nil, traffic: counters)])
        ]
        return report
    }

    @Test(
        "a rate is what was added, by the time that the agent says has gone by",
        arguments: [
            (10, 20, 2.0, 5.0), (10, 10, 1, 0), (10, 110, 0.5, 200), (10, 9, 1, nil),
            (0, 1 << 53, 1, 9_007_199_254_740_992),
        ] as [(UInt64, UInt64, Double, Double?)])
    func rates(before: UInt64, now: UInt64, seconds: Double, rate: Double?) throws {
        var window = TrafficWindow()
        let isFirst = window.add(report(7, counters(total: before)))
        #expect(isFirst)
        #expect(window.services[0].traffic.newPerSecond == nil && !window.hasRates)
        let isNew = window.add(report(7 + seconds, counters(4, total: now)))
        #expect(isNew)
        let service = window.services[0]
        #expect(service.traffic.newPerSecond == rate && service.traffic.connections == 4)
        #expect(service.backends[0].traffic.newPerSecond == rate)
    }

    @Test("bits are of both directions, drops are counted, and replies are not told where they do not pass")
    func directions() {
        var window = TrafficWindow()
        _ = window.add(report(1, counters(packets: 1, replies: 2), drops: 5))
        _ = window.add(report(3, counters(packets: 5, replies: 12), drops: 9))
        let traffic = window.services[0].traffic
        #expect((traffic.packetsPerSecond, traffic.bitsPerSecond) == (2, 1600))
        #expect((traffic.replyPacketsPerSecond, traffic.replyBitsPerSecond) == (5, 40_000))
        #expect(window.services[0].dropsPerSecond == 2)
        _ = window.add(report(4, counters(packets: 5, replies: nil), drops: 0))
        #expect(window.services[0].traffic.replyBitsPerSecond == nil && window.services[0].dropsPerSecond == nil)
    }

    @Test("what was not measured anew changes nothing, and an agent that was started anew begins anew")
    func window() {
        var window = TrafficWindow()
        _ = window.add(report(5, counters(packets: 0)))
        _ = window.add(report(6, counters(packets: 9)))
        let isNew = window.add(report(6, counters(packets: 9)))
        #expect(!isNew)
        #expect(window.services[0].traffic.packetsPerSecond == 9)
        let isAnother = window.add(report(1, counters(packets: 20)))
        #expect(isAnother)
        #expect(window.services[0].traffic.packetsPerSecond == nil)
    }

    @Test(
        "rates are written in few places",
        arguments: [
            (nil, "-"), (0, "0"), (0.04, "0"), (0.06, "0.1"), (5.25, "5.3"), (9.94, "9.9"), (9.96, "10"), (10.4, "10"),
            (999.4, "999"), (999.5, "1.0k"), (1234, "1.2k"), (99_960, "100k"), (1_234_567, "1.2M"), (9.9e9, "9.9G"),
            (1e15, "1.0P"), (1e19, "10000P"), (-1, "-"), (.nan, "-"), (.infinity, "-"),
        ] as [(Double?, String)])
    func numbers(value: Double?, text: String) {
        #expect(Units.rate(value) == text)
    }

    /// Services 1 to 3, of which each key sorts another one to the front.
    private var services: [TopService] {
        func service(_ id: UInt16, _ now: TrafficReport.Counters, _ mode: String = "snat") -> TopService {
            let rates = TrafficRates(now, before: counters(), seconds: 1)
            let small = TrafficRates(counters(0), before: counters(), seconds: 1)
            return TopService(
                id: id, frontend: "40.1.1.\(id):80/tcp", mode: mode, traffic: rates, dropsPerSecond: 0,
                backends: [
                    .init(backend: "20.1.1.1\(id):80", state: "draining", traffic: small),
                    .init(backend: "20.1.1.2\(id):80", state: "active", traffic: rates),
                ])
        }
        return [
            service(1, counters(9, total: 1, packets: 5, replies: 0)),
            service(2, counters(2, total: 7, packets: 1), "dsr"),
            service(3, counters(3, total: 2, packets: 3, replies: 1)),
        ]
    }

    @Test(
        "the largest come first, backends below their service",
        arguments: [
            (TopControl.Order.connections, [1, 3, 2]), (.new, [2, 3, 1]), (.packets, [1, 3, 2]), (.bits, [3, 1, 2]),
        ] as [(TopControl.Order, [UInt16])])
    func order(order: TopControl.Order, ids: [UInt16]) {
        var control = TopControl()
        control.order = order
        let sorted = TopView.sorted(services, control)
        #expect(sorted.map(\.id) == ids)
        #expect(sorted.allSatisfy { $0.backends.map(\.state) == ["active", "draining"] })
    }

    @Test(
        "a filter leaves what has its text: services with all backends, or single backends",
        arguments: [
            ("", [1, 2, 3], 6), ("40.1.1.2", [2], 2), ("DSR", [2], 2), ("20.1.1.13", [3], 1),
            ("draining", [1, 2, 3], 3),
            ("nothing", [], 0),
        ] as [(String, [UInt16], Int)])
    func filter(text: String, ids: [UInt16], backends: Int) {
        var control = TopControl()
        control.filter = text
        let found = TopView.sorted(services, control)
        #expect(found.map(\.id).sorted() == ids && found.map(\.backends.count).reduce(0, +) == backends)
    }

    @Test(
        "the screen is never larger than the terminal, and the offset stays within the rows",
        arguments: [(80, 24, 0), (80, 6, 0), (40, 6, 4), (200, 5, 100), (1, 1, 0), (10, 3, .max / 2), (0, 2, 0)])
    func screen(columns: Int, rows: Int, offset: Int) {
        var control = TopControl()
        control.offset = offset
        let (lines, title) = TopView.screen(services, &control, columns: columns, rows: rows)
        #expect(lines.count <= max(rows, 2) && lines.allSatisfy { $0.count <= columns })
        #expect(title == 1 && lines.indices.contains(1))
        #expect((0...9).contains(control.offset))
        if rows >= 12 { #expect(lines.contains { $0.contains("40.1.1.3:80/tcp") } && control.offset == 0) }
    }

    @Test("an empty agent has a screen as well") func empty() {
        var control = TopControl()
        let (lines, _) = TopView.screen([], &control, columns: 80, rows: 24)
        #expect(lines.count == 3 && lines[0].hasPrefix("l4lb top: 0 services, 0 backends, 0 connections, - new/s"))
    }

    @Test("keys change what is shown, and end it") func keys() {
        func pressed(_ keys: [Terminal.Key]) -> TopControl? {
            var control = TopControl()
            for key in keys where !control.press(key, page: 10) { return nil }
            return control
        }
        func control(_ change: (inout TopControl) -> Void) -> TopControl {
            var control = TopControl()
            change(&control)
            return control
        }
        let unchanged = TopControl()
        let typing = control {
            $0.filter = "q"
            $0.isTypingFilter = true
        }
        let filtered = control {
            $0.filter = "4"
            $0.order = .new
        }
        let cases: [([Terminal.Key], TopControl?)] = [
            ([.character("q")], nil), ([.interrupt], nil), ([.character("/"), .character("q"), .interrupt], nil),
            ([.character("c")], control { $0.order = .connections }), ([.character("n")], control { $0.order = .new }),
            ([.character("p")], control { $0.order = .packets }), ([.character("x")], unchanged),
            ([.character("p"), .character("b")], unchanged),
            ([.character("t")], control { $0.showsBackends = false }),
            ([.down, .down, .up], control { $0.offset = 1 }), ([.up], unchanged),
            ([.pageDown, .down], control { $0.offset = 11 }), ([.pageDown, .home], unchanged),
            ([.pageDown, .character("n")], control { $0.order = .new }),
            ([.character("/"), .character("q"), .character("c"), .backspace], typing),
            ([.character("/"), .character("4"), .enter, .character("n")], filtered),
            ([.character("/"), .character("4"), .enter, .escape], unchanged),
            ([.character("/"), .character("4"), .escape], unchanged),
        ]
        for (keys, expected) in cases { #expect(pressed(keys) == expected, "\(keys)") }
    }
}
