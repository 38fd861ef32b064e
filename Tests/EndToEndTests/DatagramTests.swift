import Foundation
import Testing

extension EndToEnd {
    @Suite("UDP", .network(.oneLink, backends: 3))
    struct Datagrams {
        @Test("Datagrams reach each backend and the answers come back", arguments: ["snat", "dsr"])
        func echo(mode: String) async throws {
            let network = try Network.current
            // In DSR the backend answers from the frontend's address.
            let echoes = try network.backends.map {
                try UDPEcho(on: $0, at: mode == "snat" ? $0.address : network.frontend, 5353)
            }
            defer { for echo in echoes { echo.stop() } }
            try await withAgent("--bpf-lb-mode=\(mode)") { prompt in
                let backends = network.backends.map { "\($0.address):5353" }.joined(separator: ",")
                try await prompt.done(
                    "service update --frontend=\(network.frontend):5353/udp --backends=\(backends) --id=2")
                let sees = mode == "snat" ? network.balancer.address : network.client.address
                var sockets: [ClientSocket] = []
                _ = try await everyPage(Set(network.backends.map { "\($0.address) \(sees) hello" })) {
                    let socket = try ClientSocket(SOCK_DGRAM, from: network.client, to: network.frontend, 5353)
                    sockets.append(socket)
                    let first = try socket.ask("hello")
                    #expect(try socket.ask("hello") == first, "a flow stays with its backend")
                    return first
                }
                let dump = try await prompt.dump(2)
                #expect(dump.service.frontend == "\(network.frontend):5353/udp")
                #expect(Set(dump.connections.map(\.client)) == Set(sockets.map(\.name)))
                #expect(dump.connections.allSatisfy { $0.protocol == "udp" && $0.state == "active" && $0.mode == mode })
                #expect(dump.connections.allSatisfy { $0.packets == 2 })
                #expect(dump.connections.allSatisfy { $0.replyPackets == (mode == "snat" ? 2 : nil) })
                // 28 bytes of headers.
                #expect(dump.connections.allSatisfy { $0.bytes == 2 * (28 + 5) })
                #expect(try await prompt.dump(1).connections.isEmpty)
            }
        }

        @Test("One address and port is two services, for TCP and for UDP") func twoServices() async throws {
            let network = try Network.current
            let (web, udp) = (network.backends[0], network.backends[1])
            let echo = try UDPEcho(on: udp, at: udp.address, 8080)
            defer { echo.stop() }
            try await withAgent(service: false) { prompt in
                try await prompt.done("service update --frontend=\(network.frontend):80 --backends=\(web.address):8080")
                try await prompt.done(
                    "service update --frontend \(network.frontend):80/udp --backends \(udp.address):8080")
                #expect(try network.client.fetch(network.frontend) == "backend \(web.address)")
                let socket = try ClientSocket(SOCK_DGRAM, from: network.client, to: network.frontend, 80)
                #expect(try socket.ask("x") == "\(udp.address) \(network.balancer.address) x")
                #expect(try await prompt.status().services == 2)
            }
        }
    }
}
