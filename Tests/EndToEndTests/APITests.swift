import Foundation
import Testing

extension EndToEnd {
    @Suite("The commands of the shell, and the API", .network(.oneLink))
    struct OverTheSocket {
        @Test("The walk-through by l4lb's commands, and they print what the prompt prints") func shell() async throws {
            try await withSocketAgent { prompt, agent in
                let network = try Network.current
                let update =
                    "service update --frontend=\(network.frontend):80 --backends=\(network.webServers) --id=1"
                #expect(
                    try await agent.done(update)
                        == "created service 1: \(network.frontend):80/tcp with \(network.backends.count) backends")
                for (mode, client) in [("snat", network.balancer.address), ("dsr", network.client.address)] {
                    #expect(try await agent.done("mode update \(mode)").hasPrefix("mode is \(mode)"))
                    let seen = try await network.clientsSeen(by: network.backends) {
                        _ = try await everyPage(network.pages) { try await network.client.curl(network.url) }
                    }
                    #expect(seen == [client], "whom the backends see in \(mode)")
                }
                for command in [
                    "service list", "service get --id 1", "service dumpstate --id 1", "mode get", "neighbor list",
                    "status", "mode update dsr", "version",
                ] {
                    for format in ["table", "json"] { try await expectSame("\(command) -o \(format)", prompt, agent) }
                }
                #expect(
                    try await agent.done("service delete --id 1") == "deleted service 1: \(network.frontend):80/tcp")
                #expect(try await prompt.done("service delete --all") == "deleted 0 services")
            }
        }

        @Test("Errors of the shell's commands are the prompt's, with the exit code") func errors() async throws {
            try await withSocketAgent { prompt, agent in
                for (command, status): (String, Int32) in [
                    ("service get --id 9", 1), ("service get --id x", 2), ("service get", 2), ("service", 2),
                    ("service add", 2), ("mode update nat", 2), ("service list --bogus", 2),
                    ("service update --frontend=40.1.1.1 --backends=20.1.1.10:80", 2),
                    ("service update --frontend=40.1.1.1:80 --backends=203.0.113.1:80", 1),
                ] {
                    let finished = try await agent.run(command)
                    #expect(finished.status == status, "\(command)")
                    #expect(try await prompt.refused(command) + "\n" == finished.errors)
                    #expect(finished.output.isEmpty)
                }
                let json = try await agent.run("service get --id 9 -o json")
                #expect(try await prompt.run("service get --id 9 -o json") == json.errors + json.output.dropLast())
                let monitor = try await agent.run("monitor drops")
                #expect(monitor.status == 1 && monitor.errors.hasPrefix("error: monitor drops: "))
            }
        }

        @Test("curl reads what -o json prints, and changes services and the mode") func curl() async throws {
            try await withSocketAgent { prompt, agent in
                let network = try Network.current
                let backends = network.backends.map { "{\"backend\": \"\($0.address):80\"}" }.joined(separator: ",")
                let body = "{\"frontend\": \"\(network.frontend):80\", \"backends\": [\(backends)]}"
                #expect(try await agent.curl("/v1/services", "-d", body).status == 201)
                #expect(try await agent.curl("/v1/services/1", "-X", "PUT", "-d", body).status == 200)
                _ = try await everyPage(network.pages) { try await network.client.curl(network.url) }
                #expect(try await agent.curl("/v1/mode", "-X", "PUT", "-d", "{\"mode\": \"dsr\"}").status == 200)
                #expect(try await prompt.done("mode get") == "dsr")
                for (path, command) in [
                    ("/v1/services", "service list"), ("/v1/services/1", "service get --id 1"),
                    ("/v1/services/1/connections", "service dumpstate --id 1"), ("/v1/neighbors", "neighbor list"),
                    ("/v1/status", "status"), ("/v1/mode", "mode get"),
                ] {
                    try await steady(command + " -o json", prompt) { expected in
                        let answer = try await agent.curl(path)
                        return { #expect(answer.status == 200 && answer.body == expected, "\(path)") }
                    }
                }
                let refused = try await agent.curl("/v1/services/9")
                #expect(refused.status == 404 && refused.body.contains("no service has id 9"))
                #expect(try await agent.curl("/readyz").status == 200)
                #expect(try await agent.curl("/v1/services/1", "-X", "DELETE").status == 200)
                #expect(try await prompt.read(ServiceList.self, "service list").services.isEmpty)
            }
        }

        @Test("l4lb shell runs a script against the agent, and stops at the first line that fails")
        func script() async throws {
            try await withSocketAgent { prompt, agent in
                let script = "mode update dsr\nmode get\n\nservice get --id 9\nmode update snat\n"
                let finished = try await EndToEndTests.run(agent.words("shell"), input: script)
                #expect(finished.status == 1)
                #expect(finished.output == "mode is dsr now\ndsr\n")
                #expect(finished.errors == "error: no service has id 9: see 'service list'\n")
                #expect(try await prompt.done("mode get") == "dsr")
                #expect(try await EndToEndTests.run(agent.words("shell"), input: "mode get\nexit\n").output == "dsr\n")
            }
        }

        @Test("An agent's socket goes with it; one that was killed leaves a socket that the next replaces")
        func life() async throws {
            let network = try Network.current
            let agent = RunningAgent(socket: "\(network.folder)/life.sock")
            let gone = try await agent.run("mode get")
            #expect(gone.status == 1)
            #expect(
                gone.errors
                    == "error: no agent answers at \(agent.socket): start one with l4lb agent --no-repl, or name its socket with --socket\n"
            )
            let killed = try await Prompt(on: network.balancer, ["--device=eth0", "--socket=\(agent.socket)"])
            #expect(try await agent.done("mode get") == "snat")
            let second = try await Program.run(on: network.client, ["--device=eth0", "--socket=\(agent.socket)"])
            #expect(second.status == 1)
            #expect(second.errors.hasPrefix("error: --socket: process \(killed.pid) answers at \(agent.socket): "))
            #expect(try await network.client.xdpProgram() == nil)
            killed.signal(SIGKILL)
            _ = try await killed.end()
            #expect(try await agent.run("mode get").status == 1)
            #expect(FileManager.default.fileExists(atPath: agent.socket))
            try await withAgent("--socket=\(agent.socket)", service: false) { _ in
                let mode = try await agent.done("mode get")
                #expect(mode == "snat")
            }
            #expect(!FileManager.default.fileExists(atPath: agent.socket))
        }
    }
}

/// An agent that answers at a socket, as the shell and curl see it.
private struct RunningAgent {
    var socket: String

    func words(_ command: String) -> [String] {
        [Program.path] + command.split(separator: " ").map(String.init) + ["--socket=\(socket)"]
    }

    func run(_ command: String) async throws -> Finished {
        try await EndToEndTests.run(words(command))
    }

    /// A command that is done: what it prints, without the last line's end.
    func done(_ command: String) async throws -> String {
        let finished = try await run(command)
        guard finished.status == 0, finished.errors.isEmpty else { throw Failure("\(command): \(finished)") }
        return String(finished.output.dropLast())
    }

    func curl(_ path: String, _ options: String...) async throws -> (status: Int?, body: String) {
        let words =
            ["curl", "-sS", "--max-time", "20", "--unix-socket", socket, "-w", "%{http_code}"] + options
            + ["http://localhost\(path)"]
        let finished = try await EndToEndTests.run(words)
        guard finished.status == 0 else { throw Failure("\(path): \(finished.errors)") }
        return (Int(finished.output.suffix(3)), String(finished.output.dropLast(4)))
    }
}

private func withSocketAgent(_ body: (Prompt, RunningAgent) async throws -> Void) async throws {
    let agent = RunningAgent(socket: "\(try Network.current.folder)/l4lb.sock")
    try await withAgent("--socket=\(agent.socket)", service: false) { try await body($0, agent) }
}

/// What the shell's command prints is what the prompt's does.
private func expectSame(_ command: String, _ prompt: Prompt, _ agent: RunningAgent) async throws {
    try await steady(command, prompt) { expected in
        // The version needs no agent, and takes no socket.
        let finished =
            command.hasPrefix("version")
            ? try await run([Program.path] + command.split(separator: " ").map(String.init))
            : try await agent.run(command)
        return {
            #expect(finished.status == 0 && finished.errors + finished.output.dropLast() == expected, "\(command)")
        }
    }
}

/// Ages and counters go on: compares at a moment in which the prompt says the same before and after.
private func steady(
    _ command: String, _ prompt: Prompt, _ look: (String) async throws -> () -> Void
) async throws {
    try await eventually("'\(command)' prints the same twice", within: .seconds(60), every: .milliseconds(10)) {
        let before = try await prompt.done(command)
        let compare = try await look(before)
        guard try await prompt.done(command) == before else { return false }
        compare()
        return true
    }
}
