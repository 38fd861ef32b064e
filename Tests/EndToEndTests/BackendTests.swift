import Foundation
import Testing

extension EndToEnd {
    @Suite("Backends that come and go", .network(.oneLink, backends: 3))
    struct BackendChanges {
        @Test("A download goes on when its backend leaves the service", arguments: ["snat", "dsr"])
        func leaves(mode: String) async throws {
            let network = try Network.current
            try await withAgent("--bpf-lb-mode=\(mode)") { prompt in
                let download = try network.download("/slow?rate=1m")
                let backend = try await established(prompt).backend
                let others = network.webServers.split(separator: ",").map(String.init).filter { $0 != backend }
                let answer = try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(others.joined(separator: ","))")
                #expect(answer == "replaced service 1: \(network.frontend):80/tcp with 2 backends")
                try pages(network, are: others)
                let dump = try await prompt.dump()
                #expect(dump.backends.map(\.backend) == others)
                #expect(dump.connections.contains { $0.backend == backend && $0.state == "established" })
                #expect(try await download.arrives())
                // And back again.
                try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers)")
                _ = try await everyPage(network.pages) { try network.client.fetch(network.frontend) }
            }
        }

        @Test(
            "A backend that takes no new connections keeps those it has",
            arguments: ["--states", "--backend-weights"])
        func drains(option: String) async throws {
            let network = try Network.current
            try await withAgent { prompt in
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                let backend = try await prompt.connection(of: held.name).backend
                let all = network.webServers.split(separator: ",").map(String.init)
                let (off, on) = option == "--states" ? ("draining", "active") : ("0", "5")
                let list = all.map { $0 == backend ? off : on }.joined(separator: ",")
                try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) \(option)=\(list)"
                )
                try pages(network, are: all.filter { $0 != backend })
                #expect(try held.page() == page)
                let report = try #require(try await prompt.dump().backends.first { $0.backend == backend })
                #expect(option == "--states" ? report.state == "draining" : report.weight == 0)
                #expect(report.connections >= 1)
            }
        }

        @Test("A backend in maintenance gets no packet more") func maintenance() async throws {
            let network = try Network.current
            try await withAgent { prompt in
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80, within: 1000)
                let page = try held.page()
                let backend = try await prompt.connection(of: held.name).backend
                let all = network.webServers.split(separator: ",").map(String.init)
                let states = all.map { $0 == backend ? "maintenance" : "active" }.joined(separator: ",")
                let seen = try await network.clientsSeen(by: network.backends.filter { "\($0.address):80" == backend })
                {
                    try await prompt.done(
                        "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --states=\(states)"
                    )
                    // Another backend knows nothing of the connection and resets it.
                    #expect((try? held.page()) != page)
                    try pages(network, are: all.filter { $0 != backend })
                }
                #expect(seen.isEmpty)
            }
        }

        @Test("No usable backend is a warning, and a counted drop") func unusable() async throws {
            let network = try Network.current
            try await withAgent(service: false) { prompt in
                let answer = try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.backends[0].address):80 --states=maintenance"
                )
                #expect(answer.contains("\nwarning: "))
                #expect(throws: Failure.self) {
                    try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80, within: 300)
                }
                #expect(try await prompt.status().drops.values.reduce(0, +) > 0)
            }
        }

        @Test("A service that is deleted stops, its connections go on") func deleted() async throws {
            let network = try Network.current
            try await withAgent { prompt in
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                #expect(
                    try await prompt.done("service delete --id 1") == "deleted service 1: \(network.frontend):80/tcp")
                #expect(throws: Failure.self) {
                    try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80, within: 300)
                }
                #expect(try held.page() == page)
                _ = try await prompt.refused("service dumpstate --id 1")
                try await prompt.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers)")
                #expect(try network.client.fetch(network.frontend).hasPrefix("backend "))
                #expect(try await prompt.done("service delete --all") == "deleted 1 service")
                #expect(try await prompt.status().services == 0)
            }
        }

        @Test("SNAT translates the port, weights share the connections") func portsAndWeights() async throws {
            let network = try Network.current
            try await withAgent(service: false) { prompt in
                let backends = network.backends.map { "\($0.address):8080" }.joined(separator: ",")
                try await prompt.done(
                    "service update --frontend=\(network.frontend):81 --backends=\(backends) --backend-weights=6,3,1")
                var counts: [String: Int] = [:]
                for _ in 0..<300 { counts[try network.client.fetch(network.frontend, 81), default: 0] += 1 }
                let shares = network.backends.map { counts["backend \($0.address)"] ?? 0 }
                #expect(shares[0] > shares[1] && shares[1] > shares[2] && shares[2] > 0, "\(shares)")
            }
        }

        @Test("With affinity a client keeps its backend; outside the source ranges it gets none")
        func affinityAndRanges() async throws {
            let network = try Network.current
            let update = "service update --frontend=\(network.frontend):80 --backends=\(network.webServers)"
            try await withAgent(service: false) { prompt in
                try await prompt.done("\(update) --algorithm=random --affinity=60")
                let pages = try (0..<20).map { _ in try network.client.fetch(network.frontend) }
                #expect(Set(pages).count == 1)
                try await prompt.done("\(update) --algorithm=random")
                _ = try await everyPage(network.pages) { try network.client.fetch(network.frontend) }
                try await prompt.done("\(update) --source-ranges=10.71.0.0/24")
                #expect(try network.client.fetch(network.frontend).hasPrefix("backend "))
                try await prompt.done("\(update) --source-ranges=10.99.0.0/16")
                #expect(throws: Failure.self) {
                    try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80, within: 300)
                }
                #expect(try await prompt.status().drops.values.reduce(0, +) > 0)
            }
        }

        private func established(_ prompt: Prompt) async throws -> DumpState.Connection {
            try await eventually("the connection is established") {
                try await prompt.dump().connections.contains { $0.state == "established" && $0.packets > 3 }
            }
            return try await prompt.connection()
        }

        /// New connections come to these only.
        private func pages(_ network: Network, are backends: [String]) throws {
            let pages = try (0..<40).map { _ in try network.client.fetch(network.frontend) }
            #expect(Set(pages) == Set(backends.map { "backend \($0.dropLast(3))" }))
        }
    }
}
