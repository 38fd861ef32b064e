import Foundation
import Testing

private struct Explanation: Decodable, Equatable {
    struct Connection: Decodable, Equatable {
        var state: String
        var mode: String
    }

    struct Backend: Decodable, Equatable {
        var backend: String
        var state: String
        var health: String?
    }

    struct NextHop: Decodable, Equatable {
        var address: String
        var linkAddress: String?
        var device: String?
    }

    struct Service: Decodable, Equatable {
        var id: UInt16
        var mode: String
    }

    var service: Service?
    var connection: Connection?
    var backend: Backend?
    var nextHop: NextHop?
    var verdict: String
    var reason: String?
    var beginsConnection: Bool
}

extension EndToEnd {
    @Suite("explain", .network(.oneLink, backends: 3))
    struct Explain {
        /// What all maps hold, but the sizes of the index, which are the agent's to change.
        private func maps(_ agent: ServiceAgent) async throws -> [String] {
            var dumps: [String] = []
            for map in try FileManager.default.contentsOfDirectory(atPath: "\(agent.root)/l4lb/maps").sorted()
            where !["drop_samples", "flow_index"].contains(map) {
                dumps.append(map + (try await shell("bpftool -j map dump pinned \(agent.root)/l4lb/maps/\(map)")))
            }
            return dumps
        }

        @Test("A flow is told as it then goes, and telling leaves nothing in the tables", arguments: ["snat", "dsr"])
        func flows(mode: String) async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                try await agent.done("mode update \(mode)")
                func explain(_ flow: String) async throws -> Explanation {
                    try await agent.read(Explanation.self, "explain \(flow)")
                }
                let update = "service update --frontend=\(network.frontend):80 --backends=\(network.webServers)"
                // Nothing has passed yet, so that nobody but the explained packets could change the tables.
                try await agent.done("\(update) --affinity --max-new-connections=1000")
                let before = try await maps(agent)
                var told: [String: String] = [:]
                // Ports of their own, as those of the other mode's connections rest.
                let first = mode == "snat" ? 30000 : 31000
                for port in first..<first + 20 {
                    let client = "\(network.client.address):\(port)"
                    let new = try await explain("\(client) \(network.frontend):80")
                    #expect(new.verdict == "forward" && new.beginsConnection && new.connection == nil)
                    #expect(new.service == .init(id: 1, mode: mode) && new.nextHop?.device == "eth0")
                    #expect(new.nextHop?.linkAddress != nil)
                    told[client] = try #require(new.backend?.backend)
                }
                #expect(Set(told.values).count > 1)
                let after = try await maps(agent)
                let changed = zip(before, after).filter { $0 != $1 }.map { $0.0.prefix(20) }
                #expect(changed == [])

                // From the same ports the connections come to the backends that were told.
                try await agent.done(update)
                for (client, backend) in told {
                    let port = client.split(separator: ":")[1]
                    let page = try await network.client.shell(
                        "curl -s --max-time 5 --local-port \(port) http://\(network.frontend)/")
                    #expect(page.trimmingCharacters(in: .newlines) == "backend \(backend.dropLast(3))", "\(client)")
                }

                // A connection is told as its own.
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                let old = try await explain("\(held.name) \(network.frontend):80/tcp")
                #expect(old.verdict == "forward" && !old.beginsConnection)
                #expect(old.connection == .init(state: "established", mode: mode))
                let backend = try #require(old.backend?.backend)
                #expect(old.backend?.health == nil)
                try await agent.done("\(update) --health-check=tcp --health-interval=1s")
                try await eventually("its health is told", within: .seconds(20)) {
                    try await explain("\(held.name) \(network.frontend):80").backend?.health == "up"
                }
                #expect(page == "backend \(backend.dropLast(3))" && old.backend?.state == "active")
                try await agent.done("backend drain \(backend)")
                #expect(try await explain("\(held.name) \(network.frontend):80").backend?.state == "draining")
                try await agent.done("backend maintenance \(backend)")
                let anew = try await explain("\(held.name) \(network.frontend):80")
                #expect(anew.beginsConnection && anew.backend?.backend != backend && anew.verdict == "forward")
                try await agent.done("backend undrain \(backend)")
                #expect(try held.page() == page)
            }
        }

        @Test("What is dropped or left to the host is told with the reason, and counted nowhere")
        func refused() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                let update = "service update --frontend=\(network.frontend):80 --backends=\(network.webServers)"
                let drops = try await agent.read(Status.self, "status").drops
                for (change, frontend, verdict, reason) in [
                    ("--source-ranges=192.0.2.0/24", ":80", "drop", "source_range"),
                    ("--states=maintenance,maintenance,maintenance", ":80", "drop", "no_backend"),
                    ("", ":81", "pass", nil), ("", ":80/udp", "pass", nil),
                ] as [(String, String, String, String?)] {
                    try await agent.done("\(update) \(change)")
                    let told = try await agent.read(
                        Explanation.self, "explain \(network.client.address):4000 \(network.frontend)\(frontend)")
                    #expect(told.verdict == verdict && told.reason == reason, "\(change) \(frontend)")
                    #expect(!told.beginsConnection && told.connection == nil && told.backend == nil)
                }
                #expect(try await agent.read(Status.self, "status").drops == drops)
                for line in [
                    "explain 10.0.0.1 \(network.frontend):80", "explain 10.0.0.1:1 \(network.frontend)",
                    "explain 10.0.0.1:*  \(network.frontend):80", "explain 10.0.0.1:1",
                ] {
                    let refused = try await agent.command(line)
                    #expect(refused.status == 2 && refused.errorLines.count == 1, "\(line): \(refused)")
                }
            }
        }
    }
}
