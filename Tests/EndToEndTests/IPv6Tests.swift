import Foundation
import Testing

extension EndToEnd {
    @Suite("IPv6", .network(.oneLink, backends: 3))
    struct IPv6 {
        private static func backends6(_ network: Network) -> String {
            network.backends.map { "[\($0.address6)]:80" }.joined(separator: ",")
        }

        @Test("Pages come over IPv6 from each backend, and the reports tell of them", arguments: ["snat", "dsr"])
        func pages(mode: String) async throws {
            let network = try Network.current
            try await withAgent("--bpf-lb-mode=\(mode)", "--bpf-ct-timeout-regular-tcp-fin=3s") { prompt in
                #expect(try await prompt.status().paths == [mode], "nothing needs IPv6 yet")
                #expect(try await prompt.status().flowTableIpv6Bytes == nil)
                let frontend = "[\(network.frontend6)]:80"
                try await prompt.done(
                    "service update --frontend=\(frontend) --backends=\(Self.backends6(network)) --id=6")
                #expect(try await prompt.status().paths == [mode, "ipv6"])
                #expect(try await prompt.status().flowTableIpv6Bytes ?? 0 > 0)
                let pages = try await network.clientsSeen(by: network.backends) {
                    let seen = try await everyPage(network.pages) {
                        try await network.client.curl("http://[\(network.frontend6)]/")
                    }
                    let dump = try await prompt.dump(6)
                    let count = seen.values.reduce(0, +)
                    #expect(dump.service.frontend == "\(frontend)/tcp" && dump.service.mode == mode)
                    #expect(dump.connections.count == count)
                    #expect(dump.connections.allSatisfy { $0.client.hasPrefix("[\(network.client.address6)]:") })
                    #expect(dump.connections.allSatisfy { $0.frontend == "\(frontend)/tcp" && $0.mode == mode })
                    #expect(dump.connections.allSatisfy { ($0.replyPackets == nil) == (mode == "dsr") })
                    for (backend, host) in zip(dump.backends, network.backends) {
                        #expect(backend.backend == "[\(host.address6)]:80")
                        #expect(backend.connections == seen["backend \(host.address)"])
                    }
                    let service = try #require(
                        try await prompt.read(ServiceList.self, "service list").services.first { $0.id == 6 })
                    #expect(service.connections == count && service.totalConnections == count)
                    #expect(service.packets == dump.connections.map(\.packets).reduce(0, +))
                    #expect(service.bytes == dump.connections.map(\.bytes).reduce(0, +))
                }
                #expect(pages == [mode == "snat" ? network.balancer.address6 : network.client.address6])
                #expect(try network.client.fetch(network.frontend).hasPrefix("backend "), "IPv4 goes on")
                // With the service and its connections the program's IPv6 goes, the table stays.
                try await prompt.done("service delete --id 6")
                try await eventually("the program has left IPv6", within: .seconds(30), every: .milliseconds(300)) {
                    try await prompt.status().paths == [mode]
                }
                #expect(try await prompt.status().flowTableIpv6Bytes ?? 0 > 0)
            }
        }

        @Test("In DSR a service may have backends of both families") func bothFamilies() async throws {
            let network = try Network.current
            try await withAgent("--bpf-lb-mode=dsr", service: false) { prompt in
                let (first, rest) = (network.backends[0], network.backends.dropFirst())
                let backends = (["[\(first.address6)]:80"] + rest.map { "\($0.address):80" }).joined(separator: ",")
                for (frontend, id) in [("\(network.frontend):80", 4), ("[\(network.frontend6)]:80", 6)] {
                    try await prompt.done("service update --frontend=\(frontend) --backends=\(backends) --id=\(id)")
                }
                for url in [network.url, "http://[\(network.frontend6)]/"] {
                    _ = try await everyPage(network.pages) { try await network.client.curl(url) }
                }
                let refusal = try await prompt.refused("mode update snat")
                #expect(
                    refusal
                        == "error: mode update: service 4 (\(network.frontend):80/tcp) has backends of another family, which only DSR reaches: give it --mode=dsr, or delete it first"
                )
                #expect(try await prompt.done("mode get") == "dsr")
                #expect(
                    try await prompt.refused(
                        "service update --frontend=\(network.frontend):81 --backends=[\(first.address6)]:81 --mode=snat"
                    )
                        == "error: --backends: [\(first.address6)]:81 is IPv6 and the frontend IPv4, which only DSR brings together: add --mode=dsr, or give an IPv4 backend"
                )
            }
        }

        @Test("An upload through DSR learns from us that the way is smaller", arguments: [4, 6])
        func upload(family: Int) async throws {
            let network = try Network.current
            let (frontend, backends) =
                family == 4
                ? (network.frontend, network.webServers) : ("[\(network.frontend6)]", Self.backends6(network))
            try await withAgent("--bpf-lb-mode=dsr", service: false) { prompt in
                try await prompt.done("service update --frontend=\(frontend):80 --backends=\(backends) --id=1")
                let answer = try await network.client.shell(
                    "curl -fsS --max-time 20 --data-binary @\(network.folder)/big http://\(frontend)/")
                #expect(answer.hasPrefix("backend "))
                #expect(try await prompt.status().events["icmp_too_big_sent"] ?? 0 > 0)
                #expect(try await prompt.dump().connections.first?.bytes ?? 0 > Network.fileSize)
            }
        }
    }

    @Suite("Two devices", .network(.twoLinks, backends: 2))
    struct TwoDevices {
        @Test("What comes in at one device leaves by the other", arguments: ["snat", "dsr"])
        func redirect(mode: String) async throws {
            let network = try Network.current
            try await withAgent("--bpf-lb-mode=\(mode)", "--device=eth0,eth1") { prompt in
                let seen = try await network.clientsSeen(by: network.backends) {
                    _ = try await everyPage(network.pages) { try await network.client.curl(network.url) }
                }
                // SNAT sends from the address of the device that leads to the backend.
                #expect(seen == [mode == "snat" ? "10.71.1.1" : network.client.address])
                let download = try network.download()
                #expect(try await download.arrives())
                #expect(try await prompt.status().drops.values.reduce(0, +) == 0)
            }
        }
    }
}
