import Foundation
import Testing

extension EndToEnd {
    /// `monitor drops` while a client's packets are refused.
    @Suite("Watching drops", .network(.oneLink, backends: 1))
    struct WatchingDrops {
        /// One drop as JSON shows it.
        private struct Drop: Decodable {
            var reason: String
            var service: Int?
            var frontend: String?
            var `protocol`: String?
            var client: String?
            var destination: String?
            var length: Int
            var device: String?
        }

        private func decode(_ line: some StringProtocol) throws -> Drop {
            try JSONDecoder().decode(Drop.self, from: Data(line.utf8))
        }

        /// A client that goes on trying until the work is done.
        private func whileRefused<Result>(_ network: Network, _ work: () async throws -> Result) async throws -> Result
        {
            let client = Task {
                while !Task.isCancelled {
                    _ = try? ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80, within: 50)
                }
            }
            do {
                let result = try await work()
                client.cancel()
                await client.value
                return result
            } catch {
                client.cancel()
                await client.value
                throw error
            }
        }

        private func refuseAll(_ prompt: Prompt, _ network: Network) async throws {
            try await prompt.done(
                "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=7 --states=maintenance"
            )
        }

        @Test("Each drop is shown with its reason, service and ends, one object a line, up to the count")
        func count() async throws {
            let network = try Network.current
            try await withAgent(service: false) { prompt in
                try await refuseAll(prompt, network)
                let answer = try await whileRefused(network) {
                    try await prompt.done("monitor drops --count=2 -o json")
                }
                let lines = answer.split(separator: "\n")
                #expect(lines.count == 2)
                for line in lines {
                    let drop = try decode(line)
                    #expect(drop.reason == "no_backend")
                    #expect(drop.service == 7 && drop.frontend == "\(network.frontend):80/tcp")
                    #expect(drop.protocol == "tcp" && drop.destination == "\(network.frontend):80")
                    #expect(drop.client?.hasPrefix("\(network.client.address):") == true, "\(line)")
                    #expect(drop.length >= 60 && drop.device == "eth0")
                }
            }
        }

        enum Interrupt: CaseIterable, Sendable { case key, signal }

        @Test("An interrupt ends the watching and nothing else", arguments: Interrupt.allCases)
        func interrupted(_ interrupt: Interrupt) async throws {
            let network = try Network.current
            try await withAgent(service: false) { prompt in
                try await refuseAll(prompt, network)
                let answer = try await whileRefused(network) {
                    async let answer = prompt.run("monitor drops")
                    try await eventually("a drop") {
                        String(decoding: prompt.shown, as: UTF8.self).contains("no_backend")
                    }
                    switch interrupt {
                    case .key: prompt.type([0x03])
                    case .signal: prompt.signal(SIGINT)
                    }
                    return try await answer
                }
                let lines = answer.split(separator: "\n")
                #expect(lines.first?.hasPrefix("TIME") == true, "\(answer)")
                #expect(lines.dropFirst().first?.contains("7 \(network.frontend):80/tcp") == true, "\(answer)")
                #expect(try await prompt.done("mode get") == "snat")
                // Nobody listens now, so that nothing of this waits for the next one who does.
                try await whileRefused(network) { try await Task.sleep(for: .milliseconds(200)) }
                #expect(try await prompt.done("monitor drops --seconds=1 -o json") == "")
            }
        }

        @Test("The end of the agent ends the watching too") func terminated() async throws {
            let network = try Network.current
            let prompt = try await Prompt(on: network.balancer, ["--device=eth0"])
            prompt.type(Array("monitor drops\r".utf8))
            try await eventually("the titles") { String(decoding: prompt.shown, as: UTF8.self).contains("TIME") }
            prompt.signal(SIGTERM)
            #expect(try await prompt.end() == 0)
            #expect(try await network.balancer.xdpProgram() == nil)
        }

        @Test("A script goes on after its seconds, and wrong options are named") func script() async throws {
            let network = try Network.current
            let finished = try await Program.run(
                on: network.balancer, lines: "monitor drops --seconds=1\nmode get\nmonitor drops --rate=0\n")
            #expect(finished.status == 2)
            #expect(finished.output.hasPrefix("TIME") && finished.output.hasSuffix("\nsnat\n"), "\(finished.output)")
            #expect(finished.errors == "error: --rate: 0 is not a number from 1 to 100000\n")
        }
    }
}
