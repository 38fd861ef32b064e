import Foundation
import Testing

extension EndToEnd {
    @Suite("Metrics", .network(.oneLink, backends: 2))
    struct MetricsOfAnAgent {
        private static let packaging = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../packaging").standardized.path

        @Test("Prometheus' checker finds nothing wrong, with no service and with traffic") func checked() async throws {
            let network = try Network.current
            let agent = try await ServiceAgent(on: network.balancer)
            do {
                try await agent.start()
                #expect(try await Promtool.complaints("check", "metrics", input: try await agent.metrics()) == nil)
                #expect(try await agent.samples()["l4lb_services"] == 0)
                try await agent.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1")
                try await agent.done(
                    "service update --frontend=\(network.frontend):81/udp --backends=\(network.webServers)")
                _ = try await everyPage(network.pages) { try await network.client.curl(network.url) }
                try await eventually("the connections are measured") {
                    try await agent.samples().sum("l4lb_service_connections_total", "service=\"1\"") > 1
                }
                #expect(try await Promtool.complaints("check", "metrics", input: try await agent.metrics()) == nil)
                let all = try await agent.samples()
                for name in ["connections_total", "packets_total", "bytes_total"] {
                    let service = all.sum("l4lb_service_\(name)", "service=\"1\"")
                    #expect(service > 0 && service == all.sum("l4lb_backend_\(name)", "service=\"1\""), "\(name)")
                }
                #expect(all.sum("l4lb_backend_bytes_total", "direction=\"reply\"") > 0)
                #expect(all.sum("l4lb_backend_connections_total", "service=\"2\"") == 0)
                #expect(all["l4lb_neighbors"] == 2 && all["l4lb_neighbors_missing"] == 0)
                #expect(all["l4lb_ready"] == 1 && all["l4lb_mode{mode=\"snat\"}"] == 1)
                #expect(all.sum("l4lb_device_info", "device=\"eth0\",xdp_mode=\"native\"") == 1)
                #expect(
                    all.sum("process_resident_memory_bytes", "") > 1e6 && all.sum("process_cpu_seconds_total", "") > 0)
                let metrics = try await agent.metrics()
                #expect(!metrics.contains(network.client.address), "a client's address is nowhere")
            } catch {
                try? await agent.remove()
                throw error
            }
            try await agent.remove()
        }

        @Test("No counter goes down while connections begin and end, backends leave, and the mode changes")
        func neverDown() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                var last = try await agent.samples()
                let backends = network.backends.map { "\($0.address):80" }
                let update = "service update --frontend=\(network.frontend):80 --id=1 --backends="
                for step in 0..<40 {
                    _ = try await network.client.curl(network.url)
                    switch step {
                    case 8: try await agent.done(update + backends[0])
                    case 16: try await agent.done("mode update dsr")
                    case 24: try await agent.done(update + backends.joined(separator: ","))
                    default: try await Task.sleep(for: .milliseconds(100))
                    }
                    let now = try await agent.samples()
                    for (series, value) in now where series.contains("_total") {
                        // A backend that comes back may have been forgotten meanwhile.
                        guard let before = last[series], !series.hasPrefix("l4lb_backend_") || step < 24 else {
                            continue
                        }
                        #expect(value >= before, "\(series)")
                    }
                    last = now
                }
                try await eventually("all connections are counted") {
                    try await agent.samples().sum("l4lb_service_connections_total", "service=\"1\"") == 40
                }
            }
        }

        @Test("Prometheus takes the alert rules, and the dashboard's expressions") func packaging() async throws {
            let folder = Self.packaging
            #expect(try await Promtool.complaints("check", "rules", "\(folder)/prometheus/l4lb.rules.yml") == nil)
            let dashboard = try String(contentsOfFile: "\(folder)/grafana/l4lb.json", encoding: .utf8)
            struct Dashboard: Decodable {
                struct Panel: Decodable {
                    struct Target: Decodable { var expr: String }
                    var targets: [Target]?
                }
                var panels: [Panel]
            }
            let panels = try JSONDecoder().decode(Dashboard.self, from: Data(dashboard.utf8)).panels
            let rules = panels.flatMap { $0.targets ?? [] }.enumerated().map { place, target in
                let expression = target.expr.replacing("$__rate_interval", with: "5m")
                return "  - { record: \"panel:\(place)\", expr: '\(expression)' }"
            }
            #expect(rules.count > 20)
            let file = try Network.current.folder + "/dashboard.yml"
            try ("groups:\n- name: dashboard\n  rules:\n" + rules.joined(separator: "\n") + "\n")
                .write(to: URL(fileURLWithPath: file), atomically: false, encoding: .utf8)
            #expect(try await Promtool.complaints("check", "rules", file) == nil)
        }

        @Test("An alert fires when its time has come, and not before") func alerts() async throws {
            #expect(
                try await Promtool.complaints("test", "rules", "\(Self.packaging)/prometheus/l4lb.rules.test.yml")
                    == nil)
        }
    }
}

extension ServiceAgent {
    /// What a scrape gets.
    func metrics() async throws -> String {
        let words = ["curl", "-fsS", "--max-time", "20", "--unix-socket", socket, "http://localhost/metrics"]
        let finished = try await run(words)
        guard finished.status == 0 else { throw Failure("/metrics: \(finished.errors)") }
        return finished.output
    }

    /// By series.
    func samples() async throws -> [String: Double] {
        let lines = try await metrics().split(separator: "\n").filter { !$0.hasPrefix("#") }
        return Dictionary(
            uniqueKeysWithValues: lines.compactMap { line in
                guard let gap = line.lastIndex(of: " "), let value = Double(line[line.index(after: gap)...]) else {
                    return nil
                }
                return (String(line[..<gap]), value)
            })
    }
}

extension [String: Double] {
    /// Over the series of a family that have this among their labels.
    fileprivate func sum(_ family: String, _ label: String) -> Double {
        filter { ($0.key == family || $0.key.hasPrefix(family + "{")) && (label.isEmpty || $0.key.contains(label)) }
            .values.reduce(0, +)
    }
}
