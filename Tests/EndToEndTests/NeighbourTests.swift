import Foundation
import Testing

extension EndToEnd {
    @Suite("Neighbours", .network(.oneLink, backends: 3))
    struct Neighbours {
        @Test("A backend that comes up late is named, and gets its share as soon as it is there")
        func late() async throws {
            let network = try Network.current
            let late = network.backends[2]
            try await shell("ip -n \(network.switchboard) link set b3 down")
            try await network.balancer.shell("ip neighbour flush dev eth0")
            try await withAgent(service: false) { prompt in
                let start = ContinuousClock.now
                let answer = try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1")
                let time = ContinuousClock.now - start
                #expect(time > .seconds(1.5) && time < .seconds(4), "\(time)")
                let warnings = answer.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
                #expect(warnings.count == 1 && warnings[0].contains("\(late.address):80"), "\(answer)")
                #expect(!answer.contains("\(network.backends[0].address):80"))
                let neighbors = try await prompt.read(Neighbors.self, "neighbor list").neighbors
                #expect(neighbors.filter { $0.linkAddress == nil }.map(\.address) == [late.address])
                try await shell("ip -n \(network.switchboard) link set b3 up")
                try await eventually("the late backend answers", within: .seconds(5)) {
                    let client = try? ClientSocket(
                        SOCK_STREAM, from: network.client, to: network.frontend, 80, within: 200)
                    return (try? client?.page()) == "backend \(late.address)"
                }
                _ = try await everyPage(network.pages) { try network.client.fetch(network.frontend) }
            }
            try await shell("ip -n \(network.switchboard) link set b3 up")
        }

        @Test("A new backend gets no packet before its link address is known") func new() async throws {
            let network = try Network.current
            try await withAgent(service: false) { prompt in
                let update = "service update --frontend=\(network.frontend):80 --id=1 --backends="
                try await prompt.done("\(update)\(network.backends[0].address):80")
                let requests = RequestStream(network)
                for backend in network.backends.dropFirst() {
                    try await network.balancer.shell("ip neighbour flush to \(backend.address) dev eth0")
                    try await prompt.done("\(update)\(backend.address):80")
                    try await Task.sleep(for: .milliseconds(200))
                }
                #expect(requests.stop() == [])
                #expect(try await prompt.read(Status.self, "status").drops["no_neighbour"] == 0)
            }
        }

        @Test("A backend whose link address changes is followed", arguments: ["snat", "dsr"])
        func moves(mode: String) async throws {
            let network = try Network.current
            let moved = network.backends[0]
            try await withAgent("--bpf-lb-mode=\(mode)", service: false) { prompt in
                try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(moved.address):80 --id=1")
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                let new = "02:00:00:00:\(mode == "snat" ? "01" : "02"):11"
                // The kernel takes no second change within the second in which an entry was made.
                try await Task.sleep(for: .milliseconds(1100))
                try await moved.shell(
                    "echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify; ip link set eth0 address \(new)")
                try await eventually("the new address is known", within: .seconds(3)) {
                    let neighbors = try await prompt.read(Neighbors.self, "neighbor list").neighbors
                    return neighbors.map(\.linkAddress) == [new]
                }
                #expect(try held.page() == page)
                #expect(try network.client.fetch(network.frontend) == page)
            }
        }

        @Test("Neighbours that the agent had kept fresh are given back at its end") func givenBack() async throws {
            let network = try Network.current
            try await withAgent { _ in
                let entries = try await network.balancer.shell("ip neighbour show")
                #expect(entries.contains("managed"))
            }
            #expect(try await network.balancer.shell("ip neighbour show").contains("managed") == false)
        }
    }
}
