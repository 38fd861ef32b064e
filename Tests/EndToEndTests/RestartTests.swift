import Foundation
import Testing

extension EndToEnd {
    @Suite("Restarting", .network(.oneLink))
    struct Restart {
        @Test("A crash loses no request, and the next agent has the connections", arguments: ["snat", "dsr"])
        func crash(mode: String) async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                try await agent.done("mode update \(mode)")
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                let download = try network.download("/slow?rate=2000k", "crash-\(mode)")
                let stream = RequestStream(network)
                for _ in 1...5 {
                    try await agent.crash()
                    let count = stream.count
                    try await eventually("requests go on without an agent") { stream.count >= count + 100 }
                    #expect(try held.page() == page)
                    try await agent.start()
                    #expect(try held.page() == page)
                }
                let connection = try #require(try await agent.dump().connections.first { $0.client == held.name })
                #expect((connection.mode, connection.state) == (mode, "established"))
                #expect(connection.packets > 20)
                #expect(stream.stop() == [], "of \(stream.count) requests")
                #expect(try await download.arrives())
                // Each request that there was, by whichever agent.
                let list = try await agent.read(ServiceList.self, "service list").services
                #expect(list[0].totalConnections >= stream.count)
                #expect(agent.log.contains("took over the packet path"))
            }
        }

        @Test("The end in order leaves the packets balanced too, and the mode and the services as they were set")
        func end() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                try await agent.done("mode update dsr")
                try await agent.done(
                    "service update --frontend=\(network.frontend):81 --backends=\(network.backends[0].address):81 --id=7 --mode=snat --affinity=60"
                )
                try await agent.done(
                    "service update --frontend=[\(network.frontend6)]:80 --backends=[\(network.backends[0].address6)]:80"
                )
                let before = try await agent.done("service list -o json")
                let stream = RequestStream(network)
                #expect(try await agent.end() == 0)
                #expect(try await network.balancer.xdpProgram() != nil)
                let count = stream.count
                try await eventually("requests go on") { stream.count >= count + 50 }
                try await agent.start("--bpf-lb-mode=snat")
                #expect(stream.stop() == [])
                #expect(try await agent.done("mode get") == "dsr")
                let after = try await agent.read(ServiceList.self, "service list").services
                let services = try JSONDecoder().decode(Names.self, from: Data(before.utf8)).services
                #expect(after.map(\.frontend) == services.map(\.frontend))
                #expect(after.map(\.id) == services.map(\.id))
                #expect(after.first { $0.id == 7 }?.ownMode == "snat")
                try await eventually("the page of IPv6") {
                    try await network.client.curl("http://[\(network.frontend6)]/") != nil
                }
            }
        }

        @Test("An agent that takes over has the link addresses before packets go by what it knows")
        func linkAddresses() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                let stream = RequestStream(network)
                for isFlushed in [false, true, true, true] {
                    #expect(try await agent.end() == 0)
                    // Kept fresh for the packet path, which goes on.
                    let kept = try await network.balancer.shell("ip neighbour show dev eth0")
                    #expect(kept.contains(" managed "), "\(kept)")
                    if isFlushed { try await network.balancer.shell("ip neighbour flush dev eth0") }
                    try await agent.start()
                    let count = stream.count
                    try await eventually("requests go on") { stream.count >= count + 50 }
                }
                #expect(stream.stop() == [], "of \(stream.count) requests")
                #expect(try await agent.read(Status.self, "status").drops["no_neighbour"] == 0)
            }
        }

        private struct Names: Decodable {
            struct Service: Decodable {
                var id: Int
                var frontend: String
            }
            var services: [Service]
        }

        @Test("What would harm a packet path that is at work is refused in words, and it goes on")
        func refusals() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                let pid = try #require(agent.pid)
                #expect(try await agent.refused().contains("(pid \(pid))"))
                let running = try await agent.detach()
                #expect(running.status == 1 && running.errors.contains("(pid \(pid))"))
                #expect(try await agent.end() == 0)
                for flag in [
                    "--flow-table-size=8192", "--bpf-lb-map-max=100", "--bpf-lb-maglev-table-size=251",
                ] {
                    let name = flag.split(separator: "=")[0]
                    #expect(try await agent.refused(flag).hasPrefix("error: \(name): "))
                }
                // The state file is all that knows what was asked for.
                let state = try #require(FileManager.default.contents(atPath: agent.state))
                for damaged in [state.dropLast(), Data("x".utf8), Data()] {
                    try Data(damaged).write(to: URL(fileURLWithPath: agent.state))
                    #expect(try await agent.refused().contains("--state: \(agent.state) is damaged"))
                }
                try FileManager.default.removeItem(atPath: agent.state)
                #expect(try await agent.refused().contains("--state: \(agent.state) is missing"))
                #expect(try await network.client.curl(network.url).map(network.pages.contains) == true)
                try state.write(to: URL(fileURLWithPath: agent.state))
                try await agent.start()
                #expect(try await network.client.curl(network.url).map(network.pages.contains) == true)
            }
        }

        @Test("A packet path whose maps are not those that this version knows is left alone, and goes on")
        func foreign() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                try await agent.crash()
                let stream = RequestStream(network)
                let maps = "\(agent.root)/l4lb/maps"
                // As a version would leave it that has a map under another name.
                try await shell("mv \(maps)/hands \(maps)/elsewhere")
                let names = try FileManager.default.contentsOfDirectory(atPath: maps).sorted()
                #expect(try await agent.refused().contains("not all of its maps have their names"))
                #expect(try FileManager.default.contentsOfDirectory(atPath: maps).sorted() == names)
                #expect(try await network.balancer.xdpProgram() != nil)
                try await shell("mv \(maps)/elsewhere \(maps)/hands")
                try await agent.start()
                #expect(stream.stop() == [])
            }
        }

        @Test("Detaching leaves nothing but the state, from which a new packet path has the services again")
        func detach() async throws {
            let network = try Network.current
            try await withServiceAgent { agent in
                #expect(try await agent.end() == 0)
                let detached = try await agent.detach()
                #expect((detached.status, detached.output) == (0, "detached from eth0\n"))
                #expect(try await network.balancer.shell("ip neighbour show").contains("managed") == false)
                #expect(try await network.balancer.xdpProgram() == nil)
                #expect(!FileManager.default.fileExists(atPath: agent.root + "/l4lb"))
                #expect(try await agent.detach().output == "nothing was attached\n")
                // What goes wrong on the way leaves nothing either.
                try FileManager.default.moveItem(atPath: agent.state, toPath: agent.state + ".kept")
                #expect(try await agent.refused("--state=/proc/l4lb/state").contains("--state: cannot write"))
                #expect(try await agent.refused("--device=eth0,lo").contains("--device: lo"))
                #expect(try await network.balancer.xdpProgram() == nil)
                #expect(try await agent.detach().output == "nothing was attached\n")
                try FileManager.default.moveItem(atPath: agent.state + ".kept", toPath: agent.state)
                try await agent.start("--detach-on-exit", "--flow-table-size=1024")
                #expect(try await network.client.curl(network.url).map(network.pages.contains) == true)
                #expect(try await agent.end() == 0)
                #expect(try await network.balancer.xdpProgram() == nil)
                #expect(!FileManager.default.fileExists(atPath: agent.root + "/l4lb"))
            }
        }

        @Test("An agent that is killed at any point of 200 updates loses no request and leaves no stale entry")
        func crashes() async throws {
            let network = try Network.current
            var random = SystemRandomNumberGenerator()
            try await withServiceAgent { agent in
                let stream = RequestStream(network)
                var done = 0
                while done < 200 {
                    // Five at a time; the last ones meet the crash.
                    let commands = (done..<done + 5).map { number in
                        let words = agent.words(ofCommand: Self.update(number, network))
                        return Task { try await EndToEndTests.run(words) }
                    }
                    done += 5
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...120, using: &random)))
                    try await agent.crash()
                    for command in commands { _ = await command.result }
                    try await agent.start()
                }
                let drops = try await agent.read(Status.self, "status").drops
                #expect(stream.stop() == [], "of \(stream.count) requests; drops \(drops)")
                let services = try await agent.read(ServiceList.self, "service list").services
                #expect(try await agent.entries("services") == services.count)
                #expect(try await agent.entries("maglev") == services.count)
                for service in services where service.id != 1 {
                    try await agent.done("service delete --id \(service.id)")
                }
                #expect(try await agent.entries("services") == 1)
                #expect(try await agent.entries("maglev") == 1)
                #expect(try await agent.entries("addresses") == 1)
                #expect(try await agent.entries("source_ranges") == 0)
                // Nobody was connected to the others. Of this one's backends those that have left may still have
                // connections whose ports rest.
                try await eventually("only the service's own backends are left", within: .seconds(20)) {
                    try await agent.entries("backends") <= network.backends.count
                }
                #expect(try await network.client.curl(network.url).map(network.pages.contains) == true)
            }
        }

        /// Services come, change and go; that of the requests keeps some of its backends.
        private static func update(_ number: Int, _ network: Network) -> String {
            let backends = network.backends.map { "\($0.address):80" }
            if number % 5 == 0 {
                let some = (0..<max(1, number % 4)).map { backends[($0 + number) % backends.count] }
                return
                    "service update --frontend=\(network.frontend):80 --backends=\(Set(some).sorted().joined(separator: ","))"
            }
            let frontend = "198.51.100.\(20 + number % 7):80"
            let id = 10 + number % 7
            if number % 3 == 0 { return "service delete --id \(id)" }
            return
                "service update --frontend=\(frontend) --backends=\(backends[number % backends.count]) --id=\(id) --source-ranges=10.\(number % 50).0.0/16"
        }
    }
}
