import Foundation
import Testing

extension EndToEnd {
    @Suite("The balancer's own traffic", .network(.oneLink, backends: 2))
    struct HostTraffic {
        @Test("The host serves, asks and answers as if nothing were on its device", arguments: ["snat", "dsr"])
        func untouched(mode: String) async throws {
            let network = try Network.current
            try await serveOnBalancer(network)
            try await withAgent("--bpf-lb-mode=\(mode)") { prompt in
                _ = try await everyPage(network.pages) { try network.client.fetch(network.frontend) }
                try await hostIsWell(network)
                #expect(try await network.client.pings(network.frontend), "the frontend's address answers an echo")
                #expect(try await prompt.status().drops.values.allSatisfy { $0 == 0 })
            }
        }

        @Test("A frontend at the host's own address takes its port and no other") func ownAddress() async throws {
            let network = try Network.current
            try await serveOnBalancer(network)
            try await withAgent { prompt in
                let own = network.balancer.address
                try await prompt.done("service update --frontend=\(own):80 --backends=\(network.webServers)")
                _ = try await everyPage(network.pages) { try network.client.fetch(own) }
                _ = try await everyPage(network.pages) { try network.client.fetch(network.frontend) }
                try await hostIsWell(network)
                let error = try await prompt.refused(
                    "service update --frontend=\(network.frontend):81 --backends=\(own):80")
                #expect(error.contains("\(own):80"))
            }
        }

        /// Once per network.
        private func serveOnBalancer(_ network: Network) async throws {
            guard (try? network.client.fetch(network.balancer.address, 8080)) == nil else { return }
            try await network.serve(network.balancer, ports: [8080])
            try await eventually("the balancer's own web server answers") {
                (try? network.client.fetch(network.balancer.address, 8080)) != nil
            }
        }

        private func hostIsWell(_ network: Network) async throws {
            let own = "backend \(network.balancer.address)"
            #expect(try network.client.fetch(network.balancer.address, 8080) == own)
            #expect(try network.backends[0].fetch(network.balancer.address, 8080) == own)
            for backend in network.backends {
                #expect(try await network.balancer.curl("http://\(backend.address)/") == "backend \(backend.address)")
            }
            #expect(try await network.client.pings(network.balancer.address))
            #expect(try await network.balancer.pings(network.client.address))
            let echo = try UDPEcho(on: network.balancer, at: network.balancer.address, 7000)
            defer { echo.stop() }
            let socket = try ClientSocket(SOCK_DGRAM, from: network.client, to: network.balancer.address, 7000)
            #expect(try socket.ask("x") == "\(network.balancer.address) \(network.client.address) x")
        }
    }
}
