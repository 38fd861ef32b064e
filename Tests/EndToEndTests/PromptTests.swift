import Foundation
import Testing

extension EndToEnd {
    /// A user at a pseudo-terminal.
    @Suite("The prompt", .network(.oneLink, backends: 2))
    struct AtThePrompt {
        enum Ending: CaseIterable, Sendable {
            case exit, quit, endOfInput, terminate, interrupt, hangUp, interruptKey
        }

        @Test("Every way to end it gives 0 and leaves nothing", arguments: Ending.allCases)
        func ending(_ ending: Ending) async throws {
            let network = try Network.current
            let prompt = try await Prompt(on: network.balancer, ["--device=eth0"])
            try await prompt.done("service update --frontend=\(network.frontend):80 --backends=\(network.webServers)")
            #expect(try await network.balancer.xdpProgram() != nil)
            #expect(try await network.balancer.processes() == [prompt.pid])
            switch ending {
            case .exit: prompt.type(Array("exit\r".utf8))
            case .quit: prompt.type(Array("quit\r".utf8))
            case .endOfInput: prompt.type([0x04])
            case .interruptKey: prompt.type([0x03])
            case .terminate: prompt.signal(SIGTERM)
            case .interrupt: prompt.signal(SIGINT)
            case .hangUp: prompt.signal(SIGHUP)
            }
            #expect(try await prompt.end() == 0)
            #expect(try await network.balancer.xdpProgram() == nil)
            #expect(try await network.balancer.processes() == [])
            #expect(try await network.balancer.shell("ip neighbour show").contains("managed") == false)
        }

        @Test("An interrupt drops the line that was being typed") func interruptedLine() async throws {
            try await withAgent { prompt in
                prompt.type(Array("service delete --all".utf8))
                try await eventually("the echo") {
                    String(decoding: prompt.shown, as: UTF8.self).hasSuffix("l4lb> service delete --all")
                }
                prompt.signal(SIGINT)
                try await eventually("a fresh prompt") {
                    String(decoding: prompt.shown, as: UTF8.self).hasSuffix("\r\nl4lb> ")
                }
                #expect(try await prompt.status().services == 1)
            }
        }

        @Test("On a dumb terminal nothing follows the prompt and no escape sequence is written")
        func dumbTerminal() async throws {
            let network = try Network.current
            try await withAgent { prompt in
                try await prompt.done("service list")
                try await prompt.done("help")
                let before = prompt.shown
                #expect(String(decoding: before, as: UTF8.self).hasSuffix("\r\nl4lb> "))
                // Events that the agent could be tempted to tell of.
                try await shell("ip -n \(network.switchboard) link set b1 down")
                try await network.balancer.shell(
                    "ip link add dummy-peer type veth peer name other && ip link delete other")
                for _ in 0..<5 {
                    _ = try? ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80, within: 200)
                }
                // The agent looks around once a second.
                try await Task.sleep(for: .seconds(1.5))
                try await shell("ip -n \(network.switchboard) link set b1 up")
                #expect(prompt.shown == before)
                #expect(try await prompt.done("mode get") == "snat")
                #expect(!prompt.shown.contains(0x1B))
            }
        }

        @Test("On a real terminal the Tab key completes") func completion() async throws {
            let network = try Network.current
            let prompt = try await Prompt(on: network.balancer, ["--device=eth0"], type: "xterm")
            prompt.type(Array("mod\tupd\tds\t".utf8))
            #expect(try await prompt.run("").contains("mode is dsr now"))
            prompt.type([0x04])
            #expect(try await prompt.end() == 0)
        }

        @Test("After an error the prompt goes on") func goesOn() async throws {
            try await withAgent { prompt in
                let error = try await prompt.refused("nonsense")
                #expect(error.contains("nonsense"))
                #expect(try await prompt.run("") == "")
                #expect(try await prompt.done("version").hasPrefix("l4lb "))
            }
        }
    }
}
