import Foundation
import Testing

extension EndToEnd {
    @Suite("The desired state in a file", .network(.oneLink))
    struct DesiredStateFile {
        @Test("Export, then plan: no change; applied, the services are the file's, and no request notices")
        func export() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                try await agent.done(
                    "service update --frontend=40.1.1.9:81 --backends=\(network.backends[0].address):81")
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                let stream = RequestStream(network)
                let file = agent.folder + "/exported.yaml"
                try await agent.write(try await agent.done("export"), to: file)
                let plan = try await agent.read(PlanOutput.self, "plan -f \(file)")
                #expect(plan.adopted == 2 && plan.created + plan.replaced + plan.removed == 0 && plan.warnings == [])
                #expect(try await agent.done("apply -f \(file)") == "applied: 2 taken over, 0 unchanged")
                #expect(try await agent.done("plan -f \(file)") == "no change")
                #expect(try await agent.done("plan -f \(file) --exit-code") == "no change")
                #expect(try await agent.done("apply -f \(file)") == "no change")
                #expect(try await agent.origins() == ["\(network.frontend):80/tcp file", "40.1.1.9:81/tcp file"])
                let refused = try await agent.command("service delete --id 1")
                #expect(refused.status == 1 && refused.errors.contains("belongs to the file"))
                // By standard input as well.
                let piped = try await EndToEndTests.run(
                    agent.words(ofCommand: "plan -f -"), input: try await agent.done("export"))
                #expect(piped.output == "no change\n")
                #expect(try held.page() == page)
                #expect(stream.stop() == [])
            }
        }

        @Test("A plan says what moves and whom it concerns, and applying it does just that")
        func plan() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                let file = agent.folder + "/f.yaml"
                try await agent.write(Self.file(network, backends: network.backends.map(\.address)), to: file)
                #expect(try await agent.done("apply -f \(file)").hasPrefix("applied: 1 taken over"))
                try await agent.done(
                    "service update --frontend=40.1.1.9:81 --backends=\(network.backends[0].address):81")
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                let leaving = try #require(network.backends.first { page == "backend \($0.address)" }?.address)
                let rest = network.backends.map(\.address).filter { $0 != leaving }
                try await agent.write(Self.file(network, backends: rest), to: file)
                let stream = RequestStream(network)
                let plan = try await agent.read(PlanOutput.self, "plan -f \(file)")
                #expect((plan.replaced, plan.unchanged, plan.services.count) == (1, 1, 1))
                #expect(plan.services[0].connectionsLeaving >= 1 && plan.services[0].connectionsRechosen == 0)
                let moved = try #require(plan.services[0].movedPercent)
                #expect(moved >= 24.9 && moved < 35 && abs(plan.movedPercent - moved / 2) < 0.02)
                #expect(try await agent.command("plan -f \(file) --exit-code").status == 3)
                #expect(try await agent.done("apply -f \(file)") == "applied: 1 replaced, 1 unchanged")
                let seen = try await network.clientsSeen(by: network.backends.filter { $0.address == leaving }) {
                    for _ in 1...50 { _ = try await network.client.curl(network.url) }
                }
                #expect(seen == [], "new connections of the backend that has left")
                #expect(try held.page() == page)
                // One mistake, and nothing is done.
                try await agent.write(
                    Self.file(
                        network, backends: rest + ["203.0.113.1"],
                        more: "- {frontend: \"40.1.1.8:80\", backends: [{backend: \"\(rest[0]):80\"}]}"),
                    to: file)
                for verb in ["plan", "apply"] {
                    let refused = try await agent.command("\(verb) -f \(file)")
                    #expect(refused.status == 1)
                    #expect(
                        refused.errors.hasPrefix(
                            "error: \(file):5:3: services[0].backends: 203.0.113.1:80 cannot be reached"),
                        "\(refused.errors)")
                }
                #expect(try await agent.origins() == ["\(network.frontend):80/tcp file", "40.1.1.9:81/tcp command"])
                #expect(stream.stop() == [])
            }
        }

        @Test("What is not confirmed is taken back, also by the next agent after a crash")
        func confirm() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                let (old, new) = (agent.folder + "/old.yaml", agent.folder + "/new.yaml")
                let addresses = network.backends.map(\.address)
                try await agent.write(Self.file(network, backends: addresses), to: old)
                try await agent.write(Self.file(network, mode: "dsr", backends: [addresses[0]]), to: new)
                try await agent.done("apply -f \(old)")
                let stream = RequestStream(network)
                let applied = try await agent.done("apply -f \(new) --confirm 3s")
                #expect(applied.hasPrefix("applied: 1 replaced, 0 unchanged\nit is taken back in "))
                #expect(try await agent.done("mode get") == "dsr")
                try await eventually("it is taken back") { try await agent.done("plan -f \(old)") == "no change" }
                #expect(try await agent.done("mode get") == "snat")
                #expect(agent.log.contains("warning not confirmed within 3 seconds"))
                #expect(try await agent.command("confirm").errors.hasPrefix("error: nothing waits for a confirmation"))

                try await agent.done("apply -f \(new) --confirm 2m")
                #expect(try await agent.done("status").contains("confirm"))
                try await agent.crash()
                try await agent.start()
                #expect(try await agent.done("plan -f \(new)") == "no change")
                #expect(try await agent.done("confirm") == "confirmed")
                try await agent.done("apply -f \(old)")

                try await agent.done("apply -f \(new) --confirm 1s")
                try await agent.crash()
                try await Task.sleep(for: .seconds(2))
                try await agent.start()
                try await eventually("the next agent takes it back") {
                    try await agent.done("plan -f \(old)") == "no change"
                }
                #expect(stream.stop() == [])
            }
        }

        @Test("SIGHUP reads the file again; a bad one is one line in the log and changes nothing")
        func reload() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                let addresses = network.backends.map(\.address)
                let file = agent.folder + "/own.yaml"
                let second = "- {frontend: \"40.1.1.8:80\", backends: [{backend: \"\(addresses[0]):80\"}]}"
                try await agent.write(Self.file(network, backends: addresses, more: second), to: file)
                try await agent.done("service update --frontend=40.1.1.9:81 --backends=\(addresses[0]):81")
                let stream = RequestStream(network)
                try await agent.crash()
                try await agent.start("--config=\(file)")
                let both = ["\(network.frontend):80/tcp file", "40.1.1.9:81/tcp command", "40.1.1.8:80/tcp file"]
                #expect(try await agent.origins() == both)

                let third = second.replacing("40.1.1.8", with: "40.1.1.7")
                try await agent.write(Self.file(network, backends: addresses, more: third), to: file)
                agent.hangUp()
                try await eventually("the file is read again") {
                    try await agent.origins() == [both[0], both[1], "40.1.1.7:80/tcp file"]
                }
                let good = try await agent.origins()
                try await agent.write(Self.file(network, backends: addresses + ["20.1.1"], more: ""), to: file)
                agent.hangUp()
                try await eventually("the mistake is told") {
                    agent.log.contains(
                        "error \(file):10:5: services[0].backends[4].backend: 20.1.1:80 is not an IP address and port: nothing has changed"
                    )
                }
                #expect(try await agent.origins() == good)
                // A packet path that is at work goes on, with the last good file.
                try await agent.crash()
                try await agent.start("--config=\(file)")
                #expect(agent.log.contains("the packet path goes on with the services that it had"))
                #expect(try await agent.origins() == good)
                #expect(stream.stop() == [])
                #expect(try await agent.end() == 0)
                // Without one a bad file is refused, and nothing is left.
                #expect(try await agent.detach().status == 0)
                #expect(try await agent.refused("--config=\(file)").hasPrefix("error: \(file):10:5: services[0]"))
                #expect(try await agent.refused("--config=/nonexistent.yaml").contains("cannot be read"))
                try await agent.write(Self.file(network, backends: ["203.0.113.1"], more: ""), to: file)
                #expect(try await agent.refused("--config=\(file)").contains("203.0.113.1:80 cannot be reached"))
                #expect(try await network.balancer.xdpProgram() == nil)
            }
        }

        /// One service, with id 1; the line `more` is another.
        private static func file(
            _ network: Network, mode: String = "snat", backends: [String], more: String = ""
        ) -> String {
            """
            version: 1
            mode: \(mode)
            services:
            - frontend: \(network.frontend):80
              backends:
            \(backends.map { "  - backend: \($0):80\n" }.joined())\(more)
            """
        }
    }
}

extension ServiceAgent {
    fileprivate func write(_ text: String, to path: String) async throws {
        try Data((text + "\n").utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    fileprivate func origins() async throws -> [String] {
        try await read(ServiceList.self, "service list").services.map { "\($0.frontend) \($0.origin ?? "")" }
    }
}
