import Foundation
import Testing

extension EndToEnd {
    @Suite("Health checks", .network(.oneLink, backends: 4))
    struct Health {
        private static let quick = "--health-interval=100ms --health-timeout=500ms --health-rise=2 --health-fall=2"

        private func check(_ options: String, _ prompt: Prompt) async throws {
            let network = try Network.current
            try await prompt.done(
                "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1 \(options)")
        }

        /// New connections come to these only.
        private func pages(_ network: Network, are hosts: [Host]) throws {
            let pages = try (0..<60).map { _ in try network.client.fetch(network.frontend) }
            #expect(Set(pages) == Set(hosts.map { "backend \($0.address)" }))
        }

        @Test("A backend whose server dies is taken out, no request fails from then on, and it comes back")
        func dies() async throws {
            let network = try Network.current
            let log = "\(network.folder)/health.log"
            try await withAgent("--log-file=\(log)") { prompt in
                try await check("--health-check=tcp \(Self.quick)", prompt)
                try await prompt.healthIs(["up", "up", "up", "up"])
                let stream = RequestStream(network)
                try await network.stopServing(network.backends[1])
                try await prompt.healthIs(["up", "down", "up", "up"])
                let report = try await prompt.health()
                #expect(report.backends[1].healthReason == "the connection was refused")
                #expect(report.usableBackends == 3 && !report.panic)
                // One that was on its way may have met the dead one.
                let begun = stream.count
                try await eventually("that request is over") { stream.count > begun + 1 }
                let (count, failures) = (stream.count, stream.failures)
                try await eventually("requests go on") { stream.count >= count + 300 }
                #expect(stream.failures == failures)
                try await network.serve(network.backends[1], ports: [80, 8080])
                try await prompt.healthIs(["up", "up", "up", "up"])
                #expect(stream.stop().count == failures)
                try pages(network, are: network.backends)
                let words = "\(network.backends[1].address):80 is"
                let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
                    .filter { $0.contains(words) }
                #expect(lines.count == 3, "\(lines)")
                #expect(lines[1].contains("is down, was up: the connection was refused (3 of 4 healthy)"))
                #expect(lines[2].contains("is up, was down (4 of 4 healthy)"))
            }
        }

        @Test("A backend that answers HTTP with another status is taken out, and the reason is shown")
        func status() async throws {
            let network = try Network.current
            try await withAgent { prompt in
                try network.makeSick(network.backends[0])
                defer { try? network.makeSick(network.backends[0], false) }
                try await check("--health-check=http:/health \(Self.quick)", prompt)
                try await prompt.healthIs(["down", "up", "up", "up"])
                #expect(try await prompt.health().backends[0].healthReason == "status 500 and not 200-399")
                try pages(network, are: Array(network.backends[1...]))
                // Its own options decide, and a check that is gone leaves nothing.
                try await check("--health-check=http:/health --health-status=500 \(Self.quick)", prompt)
                try await prompt.healthIs(["up", "down", "down", "down"])
                try pages(network, are: [network.backends[0]])
                try await check("--health-check=tcp --health-port=8080 \(Self.quick)", prompt)
                try await prompt.healthIs(["up", "up", "up", "up"])
                try await check("--health-check=tcp --health-port=8081 --health-timeout=200ms", prompt)
                try await prompt.healthIs(["down", "down", "down", "down"])
                try await check("", prompt)
                #expect(try await prompt.health().health == ["none", "none", "none", "none"])
                try pages(network, are: network.backends)
            }
        }

        @Test("The connections of a backend that is found dead choose another, which says that it does not know them")
        func connections() async throws {
            let network = try Network.current
            try await withAgent { prompt in
                try await check("--health-check=http:/health \(Self.quick)", prompt)
                try await prompt.healthIs(["up", "up", "up", "up"])
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                let place = try #require(network.backends.firstIndex { page == "backend \($0.address)" })
                try network.makeSick(network.backends[place])
                defer { try? network.makeSick(network.backends[place], false) }
                try await prompt.healthIs((0..<4).map { $0 == place ? "down" : "up" })
                let error = try #require(throws: Failure.self) { _ = try held.page() }
                #expect(error.description.contains("Connection reset by peer"))
            }
        }

        @Test("With too few healthy backends all are used; with a threshold of 0, when none is healthy")
        func panic() async throws {
            let network = try Network.current
            try await withAgent { prompt in
                for (threshold, sick, isPanic) in [(50, 2, false), (50, 3, true), (0, 3, false), (0, 4, true)] {
                    let hosts = network.backends
                    for host in hosts[..<sick] { try network.makeSick(host) }
                    defer { for host in hosts[..<sick] { try? network.makeSick(host, false) } }
                    try await check(
                        "--health-check=http:/health --health-panic-threshold=\(threshold) \(Self.quick)", prompt)
                    try await prompt.healthIs((0..<4).map { $0 < sick ? "down" : "up" })
                    let report = try await prompt.health()
                    #expect(report.panic == isPanic, "\(threshold) %, \(sick) of 4 sick")
                    #expect(report.usableBackends == (isPanic ? 4 : 4 - sick))
                    try pages(network, are: isPanic ? hosts : Array(hosts[sick...]))
                }
            }
        }

        @Test("A service of UDP and one on all ports are checked at the port that is named")
        func ports() async throws {
            let network = try Network.current
            try await withAgent(service: false) { prompt in
                let backends = network.backends.map(\.address)
                try await prompt.done(
                    "service update --frontend=\(network.frontend):53/udp --backends=\(backends[0]):53 --id=1 --health-check=tcp --health-port=80"
                )
                try await prompt.done(
                    "service update --frontend=\(network.frontend):* --backends=\(backends[1]):* --id=2 --health-check=http:/health --health-port=8080"
                )
                try await prompt.healthIs(["up"], 1)
                try await prompt.healthIs(["up"], 2)
            }
        }

        @Test("After a crash the next agent knows who is dead, and who was alive is not taken out by one bad answer")
        func crash() async throws {
            let network = try Network.current
            let hosts = network.backends
            try await withServiceAgent { agent in
                try await agent.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1 --health-check=http:/health --health-interval=1s --health-fall=1"
                )
                try network.makeSick(hosts[2])
                try await eventually("it is down", within: .seconds(20)) {
                    try await agent.read(HealthReport.self, "service get --id 1").health == ["up", "up", "down", "up"]
                }
                try await agent.done(
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1 --health-check=http:/health --health-interval=1h --health-fall=2"
                )
                try await agent.crash()
                // One answer that is wrong is not enough for who was up.
                try network.makeSick(hosts[0])
                try await agent.start()
                let report = try await agent.read(HealthReport.self, "service get --id 1")
                #expect(report.health == ["up", "up", "down", "up"])
                #expect(report.backends[2].healthReason == "status 500 and not 200-399")
                try pages(network, are: [hosts[0], hosts[1], hosts[3]])
                try await eventually("the first one was asked") {
                    try await agent.read(HealthReport.self, "service get --id 1").backends[0].healthReason != nil
                }
                #expect(try await agent.read(HealthReport.self, "service get --id 1").backends[0].health == "up")
            }
            try network.makeSick(hosts[0], false)
            try network.makeSick(hosts[2], false)
        }
    }
}
