import Foundation
import Testing

extension EndToEnd {
    @Suite("The walk-through on one link", .network(.oneLink))
    struct OnOneLink {
        @Test("A service balances in SNAT, then in DSR") func walk() async throws {
            try await walkThrough()
        }

        @Test("The keys of -o json are the ones that scripts rely on") func jsonKeys() async throws {
            try await dumpStateKeys()
        }

        @Test("A connection that has ended disappears within 10 seconds", arguments: ["snat", "dsr"])
        func endedConnections(mode: String) async throws {
            let network = try Network.current
            try await withAgent("--bpf-lb-mode=\(mode)") { prompt in
                var socket: ClientSocket? = try ClientSocket(
                    SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let name = socket?.name
                #expect(try socket?.page().hasPrefix("backend ") == true)
                #expect(try await prompt.connection(of: name).mode == mode)
                socket = nil
                try await eventually("the connection has gone", within: .seconds(10), every: .milliseconds(100)) {
                    try await prompt.dump().connections.allSatisfy { $0.client != name }
                }
                let totals = try await prompt.dump().backends.reduce(0) { $0 + $1.packets }
                #expect(totals >= 5)
            }
        }
    }

    @Suite("The walk-through between routers", .network(.routed, backends: 3))
    struct BetweenRouters {
        @Test("A service balances in SNAT, then in DSR") func walk() async throws {
            try await walkThrough()
        }

        @Test("The neighbour is the gateway, for all backends") func gateway() async throws {
            let network = try Network.current
            try await withAgent { prompt in
                let neighbors = try await prompt.read(Neighbors.self, "neighbor list").neighbors
                #expect(neighbors.map(\.address) == ["10.72.2.253"])
                #expect(neighbors.first?.backends == network.backends.map(\.address))
                #expect(neighbors.first?.linkAddress != nil)
            }
        }
    }
}

private func walkThrough() async throws {
    let network = try Network.current
    try await withAgent("--bpf-lb-mode=snat", service: false) { prompt in
        let created = try await prompt.done(
            "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1")
        #expect(created == "created service 1: \(network.frontend):80/tcp with \(network.backends.count) backends")
        for (mode, client) in [("snat", network.balancer.address), ("dsr", network.client.address)] {
            #expect(try await prompt.done("mode update \(mode)").hasPrefix("mode is \(mode)"))
            let seen = try await network.clientsSeen(by: network.backends) {
                _ = try await everyPage(network.pages) { try await network.client.curl(network.url) }
            }
            #expect(seen == [client], "whom the backends see in \(mode)")
            #expect(try await network.download().arrives(), "3 MB in \(mode), byte for byte")
            try await slowDownloadShows(prompt, mode: mode)
        }
    }
}

private func slowDownloadShows(_ prompt: Prompt, mode: String) async throws {
    let network = try Network.current
    let download = try network.download("/slow?rate=2m")
    try await eventually("the download shows in \(mode)") {
        try await prompt.dump().connections.contains { $0.state == "established" && $0.packets > 3 }
    }
    let connection = try await prompt.connection()
    #expect(connection.protocol == "tcp")
    #expect(connection.client.hasPrefix("\(network.client.address):"))
    #expect(connection.frontend == "\(network.frontend):80/tcp")
    #expect(network.webServers.split(separator: ",").map(String.init).contains(connection.backend))
    #expect(connection.mode == mode)
    #expect((connection.replyPackets == nil) == (mode == "dsr"))
    #expect((connection.replyBytes == nil) == (mode == "dsr"))
    let table = try await prompt.done("service dumpstate --id 1")
    let line = table.split(separator: "\n").first { $0.contains(connection.client) }
    #expect(line?.contains(" \(mode) ") == true, "\(table)")
    #expect(line?.contains("established") == true)
    #expect(try await download.arrives())
}

private func dumpStateKeys() async throws {
    let network = try Network.current
    try await withAgent("--bpf-lb-mode=dsr") { prompt in
        let connection = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
        _ = try connection.page()
        let text = try await prompt.done("service dumpstate --id 1 -o json")
        let dump = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(dump.keys.sorted() == ["backends", "connections", "service"])
        let connections = try #require(dump["connections"] as? [[String: Any]])
        let expected: Set = [
            "protocol", "client", "frontend", "backend", "mode", "state", "age_seconds", "idle_seconds", "packets",
            "bytes", "reply_packets", "reply_bytes",
        ]
        #expect(connections.count == 1)
        #expect(connections.first.map { Set($0.keys) } == expected)
        #expect(connections.first?["reply_packets"] is NSNull)
        let backends = try #require(dump["backends"] as? [[String: Any]])
        #expect(
            backends.compactMap { $0["backend"] as? String }
                == network.webServers.split(separator: ",").map(String.init))
        for key in ["weight", "state", "connections", "packets", "bytes"] { #expect(backends[0][key] != nil, "\(key)") }
        let status = try await prompt.status()
        #expect(status.mode == "dsr" && status.paths == ["dsr"] && status.services == 1 && status.connections == 1)
        #expect(status.programId > 0)
    }
}
