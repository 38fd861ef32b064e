import Balancer
import Foundation
import Testing

@testable import API

/// The dashboard and the alert rules ask for what the server tells.
@Suite struct PackagingTests {
    private static let rules = "prometheus/l4lb.rules.yml"
    private static let dashboard = "grafana/l4lb.json"

    private func text(_ name: String) throws -> String {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        return try String(contentsOf: folder.appendingPathComponent("../../packaging/\(name)"), encoding: .utf8)
    }

    @Test("every metric that they name is one of the server's", arguments: [rules, dashboard])
    func names(file: String) throws {
        let names = try text(file).matches(of: /\b(l4lb|process)_[a-z0-9_]+/).map { String($0.output.0) }
        #expect(Set(names).count > 10)
        for name in names { #expect(MetricFamily(rawValue: name) != nil, "\(name)") }
    }

    @Test("every label that they choose or group by is one of the server's", arguments: [rules, dashboard])
    func labels(file: String) throws {
        var state = DesiredState(mode: .snat)
        _ = try state.update(
            .init(.init(frontend: "40.1.1.1:80", backends: "20.1.1.10:80")), origin: .command)
        let told = String(decoding: Metrics.fixture(state).text(version: "1"), as: UTF8.self)
        // What Prometheus adds.
        let known = Set(told.matches(of: /([a-z_]+)="/).map { String($0.output.1) } + ["instance", "job"])
        let text = try text(file)
        let grouped = text.matches(of: /(?:by|without) \(([a-z_, ]+)\)/)
            .flatMap { $0.output.1.components(separatedBy: ", ") }
        // In JSON the quote has a backslash in front.
        let chosen = text.matches(of: /[{,]([a-z_]+)=~?\\?"/).map { String($0.output.1) }
        let shown = text.matches(of: /\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}/).map { String($0.output.1) }
        #expect(!grouped.isEmpty && !chosen.isEmpty && !shown.isEmpty)
        for label in grouped + chosen + shown { #expect(known.contains(label), "\(label)") }
    }

    @Test("the reasons and events that they name are the packet program's", arguments: [rules, dashboard])
    func values(file: String) throws {
        for match in try text(file).matches(of: /(reason|event)=~?\\?"([a-z_|]+)/) {
            let value = String(match.output.2)
            let isKnown = DropReason(rawValue: value) != nil || EventCounter(rawValue: value) != nil
            #expect(isKnown, "\(value)")
        }
    }

    @Test("each panel of the dashboard has a title, a place and something to show") func panels() throws {
        struct Dashboard: Decodable {
            struct Panel: Decodable {
                struct Place: Decodable { var x, y, w, h: Int }
                struct Target: Decodable { var expr: String }
                var id: Int
                var type, title: String
                var gridPos: Place
                var targets: [Target]?
            }
            var uid: String
            var panels: [Panel]
        }
        let dashboard = try JSONDecoder().decode(Dashboard.self, from: Data(try text(Self.dashboard).utf8))
        #expect(dashboard.uid == "l4lb")
        #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
        var taken: Set<[Int]> = []
        for panel in dashboard.panels {
            #expect(!panel.title.isEmpty)
            if panel.type != "row" { #expect(panel.targets?.isEmpty == false, "\(panel.title)") }
            let place = panel.gridPos
            #expect(place.x + place.w <= 24)
            for x in place.x..<place.x + place.w {
                for y in place.y..<place.y + place.h { #expect(taken.insert([x, y]).inserted, "\(panel.title)") }
            }
        }
    }
}
