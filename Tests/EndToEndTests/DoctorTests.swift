import Foundation
import Testing

extension EndToEnd {
    @Suite("Doctor", .network(.oneLink, backends: 2))
    struct Doctor {
        private struct Report: Decodable {
            struct Finding: Decodable {
                var level, check, text: String
                var mend: String?
            }

            var agent: Bool
            var findings: [Finding]
            var errors, warnings, unknown: Int
        }

        /// Without an agent; its exit code says whether there is an error.
        private func examine(_ host: Host, _ flags: String...) async throws -> Report {
            let words = host.command([Program.path, "doctor", "-o", "json"] + flags)
            let finished = try await EndToEndTests.run(words)
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let report = try decoder.decode(Report.self, from: Data(finished.output.utf8))
            #expect(finished.status == (report.errors > 0 ? 1 : 0), "\(finished)")
            return report
        }

        private func expect(
            _ report: Report, has level: String, _ check: String, mend: String,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let found = report.findings.filter { $0.level == level && $0.check == check }
            #expect(
                found.contains { ($0.mend ?? $0.text).contains(mend) }, "\(report.findings)",
                sourceLocation: sourceLocation)
        }

        @Test(
            "A setup in order has neither errors nor warnings, with an agent and without", arguments: ["snat", "dsr"])
        func healthy(mode: String) async throws {
            let network = try Network.current
            let before = try await examine(network.balancer, "--device=eth0", "--bpf-lb-mode=\(mode)")
            #expect(!before.agent && before.errors == 0 && before.warnings == 0, "\(before.findings)")
            try await withServiceAgent { agent in
                try await agent.done("mode update \(mode)")
                let report = try await examine(network.balancer, "--socket=\(agent.socket)")
                #expect(report.agent && report.errors == 0 && report.warnings == 0, "\(report.findings)")
                let texts = report.findings.map(\.text)
                for text in [
                    "the agent's program is on eth0", "XDP is native on eth0",
                    "2 backend addresses with a route and a link address",
                ] {
                    #expect(texts.contains(text), "\(texts)")
                }
                let shown = try await agent.done("doctor")
                #expect(shown.split(separator: "\n").last?.hasPrefix("0 errors, 0 warnings, ") == true, "\(shown)")
            }
        }

        @Test("What is broken on the host is found without an agent, each with its mend")
        func brokenHost() async throws {
            let network = try Network.current
            let host = network.balancer
            let steps = [
                (
                    "ip link set eth0 down", "ip link set eth0 up", "error", "device", "ip link set eth0 up"
                ),
                (
                    "ip link set dev eth0 mtu 1400", "ip link set dev eth0 mtu 1500", "warning", "mtu",
                    "ip link set dev eth0 mtu 1520"
                ),
                (
                    "echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter", "echo 0 >/proc/sys/net/ipv4/conf/eth0/rp_filter",
                    "warning", "rp_filter", "net.ipv4.conf.eth0.rp_filter=0"
                ),
                (
                    "ethtool -K eth0 gso on", "ethtool -K eth0 gso off", "warning", "offloads",
                    "ethtool -K eth0 gso off"
                ),
            ]
            for (fault, mend, level, check, text) in steps {
                try await host.shell(fault)
                expect(
                    try await examine(host, "--device=eth0", "--bpf-lb-mode=dsr"), has: level, check, mend: text)
                try await host.shell(mend)
            }
            try await shell(network.attachXDP("pass", to: "eth0", in: host.namespace))
            let held = try await examine(host, "--device=eth0")
            expect(held, has: "error", "holder", mend: "ip link set dev eth0 xdp off")
            try await host.shell("ip link set dev eth0 xdp off")

            expect(
                try await examine(host, "--device=eth0", "--bpf-root=\(network.folder)"), has: "error", "bpffs",
                mend: "mount -t bpf bpf \(network.folder)")
            expect(
                try await examine(host, "--device=eth0", "--clang=/bin/false"), has: "error", "clang",
                mend: "/bin/false is no clang")
            expect(try await examine(host, "--device=eth7"), has: "error", "device", mend: "ip link")

            let socket = try host.socket(SOCK_DGRAM)
            defer { close(socket) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(8053).bigEndian
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            #expect(bound == 0)
            let taken = try await examine(host, "--device=eth0", "--bpf-lb-mode=snat")
            expect(taken, has: "warning", "snat_ports", mend: "net.ipv4.ip_local_reserved_ports")
        }

        @Test("What is broken around the services is found")
        func brokenServices() async throws {
            let network = try Network.current
            let host = network.balancer
            let path = "\(network.folder)/doctor.yaml"
            let text = """
                version: 1
                agent:
                  devices: [eth0]
                services:
                  - frontend: 10.71.0.200:80
                    backends: [{backend: "192.0.2.9:80"}, {backend: "10.71.0.10:80"}]
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            let report = try await examine(host, "--config=\(path)")
            expect(report, has: "error", "backend", mend: "ip route get 192.0.2.9")
            expect(report, has: "warning", "frontend", mend: "ip address add 10.71.0.200/32 dev eth0")
        }

        @Test("Without an agent a device has to be named") func nothing() async throws {
            let finished = try await EndToEndTests.run(
                Network.current.balancer.command([Program.path, "doctor", "--socket=/run/l4lb-nobody.sock"]))
            #expect(finished.status == 1 && finished.errorLines.count == 1, "\(finished)")
            #expect(finished.errors.hasPrefix("error: no agent answers at /run/l4lb-nobody.sock"), "\(finished)")
        }
    }
}
