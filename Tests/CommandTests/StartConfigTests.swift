import API
import Foundation
import Testing

@testable import l4lb

@Suite struct StartConfigTests {
    private static let text = """
        version: 1
        mode: dsr
        agent:
          devices: [eth0, eth1]
          flow_table_size: 1024
          bpf_ct_timeout_regular_tcp: 100s
        services: []
        """

    private func merged(_ words: String..., text: String = text) throws -> AgentCommand {
        try StartConfig.merged(words, try ConfigFile("f.yaml", bytes: Data(text.utf8)))
    }

    @Test("flags of the file and of the command line are one")
    func merge() throws {
        for words in [["agent"], []] {
            let command = try StartConfig.merged(
                words + ["--config=f.yaml", "--no-repl", "--device", "eth0,eth1"],
                try ConfigFile("f.yaml", bytes: Data(Self.text.utf8)))
            let options = try command.options()
            #expect(options.devices == ["eth0", "eth1"] && options.mode == .dsr && options.flowTableSize == 1024)
            #expect(options.timeouts.established == 100 && options.outlives)
            #expect(command.config == "f.yaml")
        }
    }

    @Test("a flag that contradicts the file is an error with its place")
    func contradictions() throws {
        for (flag, expected) in [
            (
                "--bpf-lb-mode=snat",
                "f.yaml:2:1: mode: dsr contradicts --bpf-lb-mode=snat on the command line: remove one of them"
            ),
            (
                "--device=eth0",
                "f.yaml:4:3: agent.devices: eth0,eth1 contradicts --device=eth0 on the command line: remove one of them"
            ),
        ] {
            let error = try #require(throws: FileFault.self) { _ = try merged(flag) }
            #expect(error.description == expected)
        }
    }

    @Test("a value that the agent refuses is named as the file names it")
    func values() throws {
        for (line, expected) in [
            ("flow_table_size: 1000", "agent.flow_table_size: 1000 is not a number from 1024 to 16777216"),
            ("snat_addresses: [eth0]", "agent.snat_addresses: eth0 is not an IP address"),
        ] {
            let text = Self.text.replacing("flow_table_size: 1024", with: line)
            let error = try #require(throws: FileFault.self) { _ = try merged(text: text) }
            #expect(error.description == "f.yaml:5:3: \(expected)")
        }
    }

    @Test("a list without an entry, or with several in one, is named as the file names it")
    func lists() throws {
        for (list, expected) in [
            ("[]", "is empty: give a value, or leave it out"),
            (#"["eth0,eth1"]"#, "has eth0,eth1: give each by itself"),
        ] {
            let text = Self.text.replacing("[eth0, eth1]", with: list)
            let error = try #require(throws: FileFault.self) { _ = try merged(text: text) }
            #expect(error.description.contains(":4:") && error.description.contains(": agent.devices"))
            #expect(error.description.hasSuffix(expected))
        }
    }

    @Test("--check tells what an agent would refuse, and starts nothing")
    func check() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("l4lb-check-\(getpid()).yaml").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        func start(_ text: String, _ flags: String...) throws -> StartConfig {
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            let words = ["agent", "--no-repl", "--check", "--config=\(file)"] + flags
            return try StartConfig(try #require(try L4LB.parseAsRoot(words) as? AgentCommand), words: words)
        }
        try start(Self.text).check(Output())
        // It may be that an agent answers there.
        try start(Self.text, "--socket=/dev/null").check(Output())
        for (text, flags) in [
            (Self.text.replacing("1024", with: "1000"), []), (Self.text.replacing("[]", with: "[{}]"), []),
            (Self.text.replacing("  devices: [eth0, eth1]\n", with: ""), []), (Self.text, ["--listen=:1"]),
            (Self.text, ["--listen=127.0.0.1:1", "--tls-cert=\(file)"]),
        ] as [(String, [String])] {
            #expect(throws: (any Error).self) {
                try Data(text.utf8).write(to: URL(fileURLWithPath: file))
                let words = ["agent", "--no-repl", "--check", "--config=\(file)"] + flags
                let command = try #require(try L4LB.parseAsRoot(words) as? AgentCommand)
                try StartConfig(command, words: words).check(Output())
            }
        }
    }

    @Test("options that differ from what the agent runs with are warnings")
    func warnings() throws {
        let running = try #require(try L4LB.parseAsRoot(["--device=eth0", "--flow-table-size=1024"]) as? AgentCommand)
        let file = try ConfigFile("f.yaml", bytes: Data(Self.text.utf8))
        #expect(
            file.config.agent?.warnings(running: running.settings) == [
                "agent.devices: eth0,eth1 counts from its next start on: the agent runs with eth0",
                "agent.bpf_ct_timeout_regular_tcp: 100s counts from its next start on: the agent runs with 8000s",
            ])
    }
}
