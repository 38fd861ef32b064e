import Foundation
import Testing

extension EndToEnd {
    @Suite("What a service has of its own", .network(.oneLink, backends: 2))
    struct ServiceFeatures {
        @Test("A service's own mode overrides the agent's, and mode update leaves it alone") func ownMode()
            async throws
        {
            let network = try Network.current
            try await withAgent { prompt in
                try await prompt.done(
                    "service update --frontend=\(network.frontend):8080 --backends=\(network.backends[0].address):8080 --mode=dsr --id=2"
                )
                #expect(try await prompt.status().paths == ["snat", "dsr"])
                let sees = { (port: UInt16) in
                    try await network.clientsSeen(by: network.backends) {
                        _ = try network.client.fetch(network.frontend, port)
                    }
                }
                #expect(try await sees(80) == [network.balancer.address])
                #expect(try await sees(8080) == [network.client.address])
                try await prompt.done("mode update dsr")
                try await prompt.done("mode update snat")
                let services = try await prompt.read(ServiceList.self, "service list").services
                #expect(services.map(\.mode) == ["snat", "dsr"] && services.map(\.ownMode) == [nil, "dsr"])
                #expect(services.allSatisfy { $0.totalConnections == 1 })
                #expect(services[0].replyPackets ?? 0 > 0 && services[1].replyPackets == nil)
                #expect(try await prompt.dump(2).service.mode == "dsr")
            }
        }

        @Test("Denied clients and connections over the limit are dropped, and counted for their service")
        func refusals() async throws {
            let network = try Network.current
            let update = "service update --frontend=\(network.frontend):80 --backends=\(network.webServers)"
            try await withAgent { prompt in
                try await prompt.done("\(update) --source-ranges=\(network.client.address) --source-ranges-policy=deny")
                #expect(try await network.client.curl(network.url, within: 1) == nil)
                try await prompt.done(
                    "\(update) --source-ranges=2001:db8::/32,192.0.2.0/24 --source-ranges-policy=deny")
                #expect(try await network.client.curl(network.url) != nil)
                try await prompt.done("\(update) --max-new-connections=2")
                var answered = 0
                for _ in 1...6 {
                    if (try? ClientSocket(
                        SOCK_STREAM, from: network.client, to: network.frontend, 80, within: 200)) != nil
                    {
                        answered += 1
                    }
                }
                #expect((2...5).contains(answered))
                let drops = try await prompt.read(ServiceList.self, "service list").services[0].drops
                #expect(drops["source_range"] ?? 0 >= 1)
                #expect(drops["new_connection_limit"] ?? 0 >= 1)
                #expect(try await prompt.status().drops["new_connection_limit"] == drops["new_connection_limit"])
            }
        }

        @Test("All ports of an address go to the backend at the port that the client chose") func allPorts()
            async throws
        {
            let network = try Network.current
            let (first, second) = (network.backends[0], network.backends[1])
            try await withAgent(service: false) { prompt in
                try await prompt.done("service update --frontend=\(network.frontend):* --backends=\(first.address):*")
                try await prompt.done(
                    "service update --frontend=\(network.frontend):8080 --backends=\(second.address):8080")
                #expect(try network.client.fetch(network.frontend, 80) == "backend \(first.address)")
                #expect(try network.client.fetch(network.frontend, 8080) == "backend \(second.address)")
                let ports = try await prompt.status().snatPorts
                #expect(Set(ports.map(\.backend)) == ["\(first.address):80", "\(second.address):8080"])
                #expect(
                    try await prompt.refused(
                        "service update --frontend=\(network.balancer.address):* --backends=\(first.address):*")
                        == "error: --frontend: \(network.balancer.address):* is all ports of an address of this host, which needs them itself: give single ports, or an address that is routed to this host"
                )
            }
        }

        @Test("SNAT sends from the addresses that the user gives, which have to be the host's") func addresses()
            async throws
        {
            let network = try Network.current
            let more = "10.71.0.2"
            let missing = try await Program.run(
                on: network.balancer, ["--device=eth0", "--snat-addresses=\(network.balancer.address),\(more)"])
            #expect(missing.status == 1)
            #expect(
                missing.errors
                    == "error: --snat-addresses: \(more) is not an address of this host: ip address add \(more)/32 dev eth0\n"
            )
            try await network.balancer.shell("ip address add \(more)/32 dev eth0")
            try await withAgent("--snat-addresses=\(network.balancer.address),\(more)") { prompt in
                let seen = try await network.clientsSeen(by: network.backends) {
                    for _ in 1...40 { _ = try network.client.fetch(network.frontend) }
                }
                #expect(seen == [network.balancer.address, more])
                // One that goes takes no new connections.
                try await network.balancer.shell("ip address delete \(more)/32 dev eth0")
                try await Task.sleep(for: .milliseconds(1500))
                let later = try await network.clientsSeen(by: network.backends) {
                    for _ in 1...20 { _ = try network.client.fetch(network.frontend) }
                }
                #expect(later == [network.balancer.address])
            }
        }

        @Test("A service's counters never go back when a backend leaves") func monotonic() async throws {
            let network = try Network.current
            let (first, second) = (network.backends[0], network.backends[1])
            try await withAgent("--bpf-ct-timeout-regular-tcp-fin=1s", "--bpf-lb-mode=dsr") { prompt in
                for _ in 1...10 { _ = try network.client.fetch(network.frontend) }
                let read = { try await prompt.read(ServiceList.self, "service list").services[0] }
                let before = try await read()
                #expect(before.totalConnections == 10 && before.packets > 0)
                try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(second.address):80")
                try await eventually("the connections have ended", within: .seconds(20)) {
                    try await read().connections == 0
                }
                // The place of the backend that has left is released two collections later.
                try await Task.sleep(for: .seconds(4))
                let after = try await read()
                #expect(after.totalConnections == before.totalConnections)
                #expect(after.packets >= before.packets && after.bytes >= before.bytes)
                try await prompt.done("service update --frontend=\(network.frontend):80 --backends=\(first.address):80")
                #expect(try await read().totalConnections == 10)
                #expect(try await prompt.dump().backends[0].connections == 0)
            }
        }
    }
}
