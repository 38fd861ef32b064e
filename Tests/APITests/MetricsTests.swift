import Addresses
import Balancer
import Foundation
import Testing

@testable import API

@Suite struct ExpositionTests {
    @Test(
        "a label's value is escaped where the format asks for it",
        arguments: [
            ("eth0", "eth0"), ("a\"b", #"a\"b"#), (#"a\b"#, #"a\\b"#), ("a\nb", #"a\nb"#), ("{a=b,c}", "{a=b,c}"),
            ("ü", "ü"), ("", ""),
        ])
    func labels(value: String, written: String) {
        var text = Exposition()
        text.begin(.ready)
        text.sample(.init(["device": value]).and(["x": "1"]), 1)
        let line = String(decoding: text.bytes, as: UTF8.self).split(separator: "\n").last
        #expect(line == "l4lb_ready{device=\"\(written)\",x=\"1\"} 1")
    }

    @Test(
        "numbers are written as Go reads them",
        arguments: [
            (0.5, "0.5"), (0, "0.0"), (1e-7, "1e-07"), (1e21, "1e+21"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
            (.nan, "NaN"),
        ] as [(Double, String)])
    func numbers(value: Double, written: String) {
        var text = Exposition()
        text.begin(.ready)
        text.sample(value)
        #expect(String(decoding: text.bytes, as: UTF8.self).hasSuffix("\nl4lb_ready \(written)\n"))
    }

    @Test("a family has a head") func head() {
        var text = Exposition()
        text.begin(.dropsTotal)
        text.sample(.init(["reason": "ttl"]), UInt64.max)
        #expect(
            String(decoding: text.bytes, as: UTF8.self) == """
                # HELP l4lb_drops_total Dropped packets by reason.
                # TYPE l4lb_drops_total counter
                l4lb_drops_total{reason="ttl"} 18446744073709551615

                """)
    }
}

@Suite struct MetricsTextTests {
    private func lines(_ state: DesiredState) -> [String] {
        String(decoding: Metrics.fixture(state).text(version: "1.2.3"), as: UTF8.self)
            .split(separator: "\n").map(String.init)
    }

    private func state(_ texts: ServiceRequest.Texts...) throws -> DesiredState {
        var state = DesiredState(mode: .snat)
        for text in texts { _ = try state.update(ServiceRequest(text), origin: .command) }
        return state
    }

    @Test("what an agent measures has its lines") func samples() throws {
        let lines = Set(
            lines(
                try state(
                    .init(
                        id: "1", frontend: "40.1.1.1:80", backends: "20.1.1.10:80,20.1.1.20:80",
                        states: "active,draining"),
                    .init(id: "2", frontend: "[2001:db8::1]:53/udp", backends: "[2001:db8::2]:53", mode: "dsr"))))
        let one = #"service="1",frontend="40.1.1.1:80",protocol="tcp""#
        let two = #"service="2",frontend="[2001:db8::1]:53",protocol="udp""#
        for line in [
            #"l4lb_build_info{version="1.2.3"} 1"#, "l4lb_ready 1", #"l4lb_mode{mode="snat"} 1"#,
            #"l4lb_mode{mode="dsr"} 0"#, #"l4lb_program_path{path="ipv6"} 1"#,
            #"l4lb_device_info{device="eth0",xdp_mode="native",program_id="42"} 1"#, "l4lb_services 2",
            #"l4lb_backends{state="draining"} 1"#, #"l4lb_backends{state="active"} 2"#,
            #"l4lb_connections{mode="snat"} 3"#,
            "l4lb_service_info{\(one),mode=\"snat\",algorithm=\"maglev\",origin=\"command\"} 1",
            "l4lb_service_connections{\(two),mode=\"dsr\",state=\"active\"} 0",
            "l4lb_service_packets_total{\(one),direction=\"request\"} 15",
            "l4lb_service_drops_total{\(one),reason=\"source_range\"} 11",
            "l4lb_backend_packets_total{\(one),backend=\"20.1.1.20:80\",direction=\"request\"} 8",
            "l4lb_backend_packets_total{\(one),backend=\"20.1.1.20:80\",direction=\"reply\"} 0",
            "l4lb_backend_packets_total{\(two),backend=\"[2001:db8::2]:53\",direction=\"request\"} 9",
            "l4lb_backend_connections{\(one),backend=\"20.1.1.10:80\"} 0",
            #"l4lb_drops_total{reason="no_backend"} 9"#, #"l4lb_drops_total{reason="ttl_expired_reply"} 0"#,
            #"l4lb_events_total{event="icmp_echo_answered"} 10"#, #"l4lb_flow_table_used{family="ipv4"} 6"#,
            #"l4lb_snat_ports_limit{backend="20.1.1.10:80",protocol="tcp"} 4"#, "l4lb_reconciliations_total 2",
            "l4lb_reconciliation_failures_total 1", "l4lb_reconciliation_seconds_total 0.5",
            "process_cpu_seconds_total 1.25", "process_open_fds 12",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        // In DSR replies do not pass here.
        #expect(!lines.contains { $0.contains(two) && $0.contains("reply") })
        #expect(!lines.contains { $0.contains("client") })
    }

    @Test("each family comes once, with its head, and no sample comes twice", arguments: [0, 1, 40])
    func families(services: Int) throws {
        var state = DesiredState(mode: .snat)
        for number in 0..<services {
            let texts = ServiceRequest.Texts(frontend: "40.1.1.\(number):80", backends: "20.1.1.10:80,20.1.1.20:80")
            _ = try state.update(ServiceRequest(texts), origin: .command)
        }
        let lines = lines(state)
        let heads = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
        #expect(heads.map(String.init) == MetricFamily.allCases.map(\.rawValue))
        let series = lines.filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != " " } }
        #expect(Set(series).count == series.count)
        var family = ""
        for line in lines {
            if line.hasPrefix("# TYPE ") { family = String(line.split(separator: " ")[2]) }
            if !line.hasPrefix("#") { #expect(line.hasPrefix(family + "{") || line.hasPrefix(family + " ")) }
        }
    }

    @Test("names, kinds and texts are as the conventions ask", arguments: MetricFamily.allCases)
    func conventions(family: MetricFamily) {
        #expect(family.rawValue.hasPrefix("l4lb_") || family.rawValue.hasPrefix("process_"))
        #expect(family.rawValue.allSatisfy { $0.isASCII && ($0.isLowercase || $0 == "_" || $0.isNumber) })
        #expect(family.help.hasSuffix(".") && !family.help.contains("\n"))
    }

    @Test("docs/metrics.md tells of each family, and of no other") func document() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/metrics.md")
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("| `") }
        let told = rows.compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) }
        #expect(told == MetricFamily.allCases.map(\.rawValue))
        for (row, family) in zip(rows, MetricFamily.allCases) {
            #expect(row.contains("| \(family.kind.rawValue) |"), "\(family)")
        }
    }
}
