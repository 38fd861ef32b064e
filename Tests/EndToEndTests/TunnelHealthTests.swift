import Foundation
import Testing

extension EndToEnd {
    @Suite("Health checks through the tunnel", .network(.oneLink, backends: 3))
    struct TunnelHealth {
        private static let quick = "--health-interval=100ms --health-timeout=300ms --health-rise=2 --health-fall=2"

        @Test(
            "Of a backend in order, one without the tunnel's end and one without the frontend's address the first is up",
            arguments: ["44", "46", "64", "66"])
        func traps(families: String) async throws {
            let network = try Network.current
            let (outside, inside) = (families.last == "6", families.first == "6")
            let frontend = inside ? "[\(network.frontend6)]" : network.frontend
            let hosts = network.backends
            let backends = hosts.map { outside ? "[\($0.address6)]:80" : "\($0.address):80" }
            let address = inside ? "\(network.frontend6)/128" : "\(network.frontend)/32"
            try await withAgent("--bpf-lb-mode=dsr", service: false) { prompt in
                try await prompt.done(
                    "service update --frontend=\(frontend):80 --backends=\(backends.joined(separator: ",")) --id=1 --health-check=http:/health \(Self.quick)"
                )
                try await prompt.healthIs(["up", "up", "up"])
                try await hosts[1].shell("ip link set dev eth0 xdp off")
                try await hosts[2].shell("ip address delete \(address) dev lo")
                try await prompt.healthIs(["up", "down", "down"])
                let reasons = try await prompt.health().backends.map(\.healthReason)
                #expect(reasons == [nil, "no connection within 300ms", "no connection within 300ms"])
                // Straight to the backends all would be well.
                for host in hosts { #expect(try await network.balancer.curl("http://\(host.address)/health") != nil) }
                #expect(try await prompt.health().usableBackends == 1)
                try await shell(network.attachXDP("decap", to: "eth0", in: hosts[1].namespace))
                try await hosts[2].shell("ip address add \(address) dev lo \(inside ? "nodad" : "")")
                try await prompt.healthIs(["up", "up", "up"])
                try await network.stopServing(hosts[0])
                try await prompt.healthIs(["down", "up", "up"])
                #expect(try await prompt.health().backends[0].healthReason == "the connection was refused")
                try await network.serve(hosts[0], ports: [80, 8080])
                try await prompt.healthIs(["up", "up", "up"])
            }
            try await expectNoFilters(network.balancer)
        }

        /// Nothing of ours among the device's filters, nor a place for them.
        private func expectNoFilters(_ host: Host) async throws {
            #expect(!(try await host.shell("tc qdisc show dev eth0").contains("clsact")))
            #expect(!(try await filters(host)).contains("l4lb_probe"))
        }

        private func filters(_ host: Host) async throws -> String {
            try await host.shell("tc filter show dev eth0 egress; tc filter show dev eth0 ingress")
        }

        @Test("A frontend that is the host's own address is checked through the tunnel as well")
        func ownAddress() async throws {
            let network = try Network.current
            try await network.balancer.shell("ip address add \(network.frontend)/32 dev eth0")
            try await withAgent("--bpf-lb-mode=dsr", service: false) { prompt in
                try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1 --health-check=tcp \(Self.quick)"
                )
                try await prompt.healthIs(["up", "up", "up"])
                try await network.backends[2].shell("ip link set dev eth0 xdp off")
                try await prompt.healthIs(["up", "up", "down"])
                try await shell(network.attachXDP("decap", to: "eth0", in: network.backends[2].namespace))
                // Its own address is the one that it sends from: the backend would answer to itself.
                let warning = try await prompt.done(
                    "service update --frontend=\(network.balancer.address):80 --backends=\(network.webServers) --id=2 --health-check=tcp"
                )
                #expect(warning.contains("warning: health checks go straight to "))
                try await prompt.healthIs(["up", "up", "up"], 2)
            }
            try await network.balancer.shell("ip address delete \(network.frontend)/32 dev eth0")
        }

        @Test("The filters come with the first check in DSR and go with the last; those of others stay")
        func comeAndGo() async throws {
            let network = try Network.current
            let host = network.balancer
            let update =
                "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1 --health-check=tcp \(Self.quick)"
            try await host.shell(
                "tc qdisc add dev eth0 clsact; tc filter add dev eth0 egress prio 1 bpf bytecode '1,6 0 0 7'"
            )
            try await withAgent(service: false) { prompt in
                try await prompt.done(update)
                try await prompt.healthIs(["up", "up", "up"])
                #expect(!(try await filters(host)).contains("l4lb_probe"))
                try await prompt.done("mode update dsr")
                try await eventually("the filters are there") {
                    let text = try await filters(host)
                    return text.contains("l4lb_probe_in") && text.contains("l4lb_probe_out")
                }
                try await prompt.healthIs(["up", "up", "up"])
                try await prompt.done("service delete --id 1")
                try await eventually("the filters are gone") { !(try await filters(host)).contains("l4lb_probe") }
                try await prompt.done(update)
                try await eventually("the filters are there") { try await filters(host).contains("l4lb_probe_out") }
            }
            let left = try await filters(host)
            #expect(left.contains("1,6 0 0 7") && !left.contains("l4lb_probe"))
            try await host.shell("tc qdisc delete dev eth0 clsact")
        }

        @Test("After a crash the next agent, or 'l4lb detach', takes the filters away")
        func crash() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                let update =
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1 --mode=dsr --health-check=tcp \(Self.quick)"
                try await agent.done(update)
                let areUp = {
                    let report = try await agent.read(HealthReport.self, "service get --id 1")
                    return report.health == ["up", "up", "up"]
                }
                try await eventually("all are up", areUp)
                try await agent.crash()
                #expect(try await filters(network.balancer).contains("l4lb_probe_out"))
                try await agent.start()
                try await network.backends[0].shell("ip link set dev eth0 xdp off")
                try await eventually("it is down") {
                    let report = try await agent.read(HealthReport.self, "service get --id 1")
                    return report.health == ["down", "up", "up"]
                }
                try await shell(network.attachXDP("decap", to: "eth0", in: network.backends[0].namespace))
                try await eventually("all are up", areUp)
                // Without an agent nobody asks.
                #expect(try await agent.end() == 0)
                try await expectNoFilters(network.balancer)
                try await agent.start()
                try await eventually("the filters are there") {
                    try await filters(network.balancer).contains("l4lb_probe_out")
                }
                try await agent.crash()
                #expect(try await agent.detach().status == 0)
                try await expectNoFilters(network.balancer)
            }
        }
    }
}
