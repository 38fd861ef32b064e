import Foundation
import Testing

struct BackendList: Decodable {
    struct Entry: Decodable {
        var backend: String
        var service: UInt16
        var state: String
        var override: String?
        var connections: Int
    }

    var backends: [Entry]
}

extension EndToEnd {
    @Suite("Backends that operators take out", .network(.oneLink, backends: 3))
    struct Draining {
        /// New connections come to these only.
        private func pages(_ network: Network, are backends: [String]) throws {
            let pages = try (0..<40).map { _ in try network.client.fetch(network.frontend) }
            #expect(Set(pages) == Set(backends.map { "backend \($0.dropLast(3))" }))
        }

        @Test("A drained backend keeps its connections through a replacement and a crash, and 'undrain' brings it back")
        func drain() async throws {
            let network = try Network.current
            let all = network.webServers.split(separator: ",").map(String.init)
            try await withServiceAgent { agent in
                var held: ClientSocket? = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try #require(try held?.page())
                let backend = try #require(try await agent.dump().connections.first?.backend)
                let answer = try await agent.done("backend drain \(backend)")
                #expect(
                    answer == "\(backend) of service 1 (\(network.frontend):80/tcp) is draining, 1 connection")
                let others = all.filter { $0 != backend }
                try pages(network, are: others)
                // Neither does the service's replacement bring it back, nor the agent's end.
                let update = "service update --frontend=\(network.frontend):80 --backends=\(network.webServers)"
                let replaced = try await agent.command(update)
                #expect(replaced.status == 0 && replaced.errors.contains("\(backend) (draining)"))
                try await agent.crash()
                try pages(network, are: others)
                try await agent.start()
                try pages(network, are: others)
                #expect(try held?.page() == page)
                let entry = try #require(
                    try await agent.read(BackendList.self, "backend list").backends.first { $0.backend == backend })
                #expect(entry.state == "draining" && entry.override == "draining" && entry.connections == 1)

                let late = try await agent.command("backend drain \(backend) --wait --timeout=1s")
                #expect(late.status == 1)
                #expect(late.errors.contains("--timeout: \(backend) has 1 connection left; it stays draining"))
                #expect(late.output == "1 connection left\n")
                let words = agent.words(ofCommand: "backend drain \(backend) --wait --timeout=60s")
                let waiting = Task { try await EndToEndTests.run(words) }
                try await Task.sleep(for: .milliseconds(500))
                held = nil
                let drained = try await waiting.value
                #expect(
                    drained.status == 0 && drained.output.hasSuffix("\(backend) is drained: no connection is left\n"))

                try await agent.done("backend undrain \(backend)")
                _ = try await everyPage(network.pages) { try network.client.fetch(network.frontend) }
            }
        }

        @Test("Connections of a backend that goes to maintenance choose another, and requests go on")
        func maintenance() async throws {
            let network = try Network.current
            let all = network.webServers.split(separator: ",").map(String.init)
            try await withServiceAgent { agent in
                let stream = RequestStream(network)
                for backend in all {
                    try await agent.done("backend drain \(backend) --wait --timeout=60s --service 1")
                    #expect(try await agent.done("backend maintenance \(backend)").contains("is maintenance, 0 conn"))
                    try pages(network, are: all.filter { $0 != backend })
                    try await agent.done("backend undrain \(backend) --service=1")
                }
                #expect(stream.count > 0)
                #expect(stream.stop() == [])
                for (line, status) in [
                    ("backend drain 20.9.9.9:80", Int32(1)), ("backend drain \(all[0]) --service=9", 1),
                    ("backend drain \(all[0]) --service=x", 2), ("backend drain 20.9.9.9", 2), ("backend drain", 2),
                    ("backend drain \(all[0]) --timeout=5s", 2), ("backend drain \(all[0]) --wait --timeout=x", 2),
                ] {
                    let refused = try await agent.command(line)
                    #expect(refused.status == status && refused.errorLines.count == 1, "\(line): \(refused.errors)")
                }
                let list = try await agent.read(BackendList.self, "backend list").backends
                #expect(list.map(\.backend) == all && list.allSatisfy { $0.state == "active" && $0.override == nil })
            }
        }
    }
}
