import API
import Balancer
import Foundation
import Testing

@testable import l4lb

@Suite struct ConfigFileTests {
    private func file(_ text: String) throws -> ConfigFile { try ConfigFile("f.yaml", bytes: Data(text.utf8)) }

    private func fault(_ text: String) throws -> String {
        try #require(throws: FileFault.self) { _ = try file(text) }.description
    }

    private static let service = """
        version: 1
        services:
          - frontend: 40.1.1.1:80
            backends:
              - backend: 20.1.1.10:80
              - backend: 20.1.1.20:80
                weight: 2

        """

    @Test("the example of the documentation is a file")
    func example() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../docs/config.md")
        let parts = try String(contentsOf: path, encoding: .utf8).components(separatedBy: "```")
        let declared = try file(try #require(parts.first { $0.hasPrefix("yaml\n") }?.dropFirst(5)).description).declared
        #expect(declared.mode == .snat)
        #expect(
            try declared.services == [
                ServiceRequest(
                    .init(
                        id: "1", frontend: "40.1.1.1:80", backends: "20.1.1.10:80,20.1.1.20:80,20.1.1.30:80",
                        weights: "1,2,1", states: "active,active,draining", affinity: "600",
                        sourceRanges: "10.0.0.0/8,2001:db8::/32")),
                ServiceRequest(
                    .init(
                        frontend: "40.1.1.1:53/udp", backends: "20.1.1.10:53", algorithm: "random",
                        sourceRanges: "10.1.0.0/16", sourceRangesPolicy: "deny", maxNewConnections: "10000",
                        health: .init(check: "tcp"))),
                ServiceRequest(
                    .init(
                        frontend: "[2001:db8::1]:443", backends: "[2001:db8::a]:443", affinity: "600",
                        sourceRanges: "10.0.0.0/8,2001:db8::/32", mode: "dsr",
                        health: .init(check: "http:/healthz", status: "200", interval: "5s", fall: "2"))),
            ])
    }

    @Test("the documentation names every field")
    func fields() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../docs/config.md")
        let text = try String(contentsOf: path, encoding: .utf8)
        for key in AgentSettings.CodingKeys.allCases { #expect(text.contains("`\(key.rawValue)`")) }
    }

    @Test(
        "a mistake is told with its line and column, and the field's path",
        arguments: [
            ("", "f.yaml: it is empty: a file without services says 'services: []'"),
            ("- 1\n", "f.yaml: the file is not an object: begin it with 'version: 1'"),
            ("services: []\n", "f.yaml:1:1: version is missing"),
            ("version: 2\nservices: []\n", "f.yaml:1:1: version: 2 is not 1, the version of this form"),
            ("version: 1\n", "f.yaml:1:1: services is missing"),
            ("version: 1\nservices:\n", "f.yaml:2:1: services is null and not a list"),
            ("version: 1\nmode: nat\nservices: []\n", "f.yaml:2:1: mode: nat is not snat or dsr"),
            (
                "version: 1\nservices: []\nservcies: []\n",
                "f.yaml:3:1: servcies is no field: there are version, mode, agent, defaults, services"
            ),
            ("version: 1\nversion: 1\nservices: []\n", "f.yaml:1:1: version is given twice"),
            (service + "    wait: 1\n", "f.yaml:8:5: services[0].wait is no field: there are "),
            (service + "        state: asleep\n", "f.yaml:8:9: services[0].backends[1].state: asleep is not active, "),
            (
                service + "      - backend: 20.1.1\n",
                "f.yaml:8:9: services[0].backends[2].backend: 20.1.1 is not an IP "
            ),
            (
                service + "      - backend: 20.1.1.10:80\n",
                "f.yaml:8:9: services[0].backends[2].backend: 20.1.1.10:80 is given twice"
            ),
            (service + "      - weight: 1\n", "f.yaml:8:9: services[0].backends[2].backend is missing"),
            (
                service + "      - {backend: 20.1.1.30:80, weight: -1}\n",
                "f.yaml:8:33: services[0].backends[2].weight is not a whole number from 0 to 65535"
            ),
            (
                service + "    source_ranges: [10.0.0.0/8, 10.0.0.1/8]\n",
                "f.yaml:8:33: services[0].source_ranges[1]: 10.0.0.1/8 is not a prefix"
            ),
            (service + "    id: 0x10\n", "f.yaml:8:5: services[0].id is not a number"),
            (service + "    id: \"1\"\n", "f.yaml:8:5: services[0].id is not a number"),
            (service + "  - frontend: 40.1.1.2:80\n", "f.yaml:8:5: services[1].backends is missing"),
            (
                service + "  - frontend: 40.1.1.2:80\n    backends: []\n",
                "f.yaml:9:5: services[1].backends: none is given"
            ),
            (service + "defaults: {id: 1}\n", "f.yaml:8:12: defaults.id is each service's own: give it there"),
            (service + "defaults: {affinity: 1}\n", "f.yaml:8:12: defaults.affinity is no field: there are "),
            (service + "defaults: 1\n", "f.yaml:8:1: defaults is not an object"),
            (service + "defaults: {algorithm: x}\n", "f.yaml:8:12: defaults.algorithm: x is not maglev or random"),
            (
                "version: 1\nservices: []\ndefaults: {health_check: {type: tcp, rise: 0}}\n",
                "f.yaml:3:38: defaults.health_check.rise: 0 is not "
            ),
            (service + "agent: {device: eth0}\n", "f.yaml:8:9: agent.device is no field: there are devices, "),
            (service + "agent: {flow_table_size: many}\n", "f.yaml:8:9: agent.flow_table_size is not a number"),
            ("version: 1\nservices: [\n", "f.yaml:3:1: it is not YAML: "),
            ("version: 1\n\tservices: []\n", "f.yaml:2:1: it is not YAML: "),
            ("version: 1\n---\nversion: 1\n", "f.yaml:2:1: it is not YAML: but found another document"),
        ])
    func mistakes(text: String, expected: String) throws {
        let fault = try fault(text)
        #expect(fault.hasPrefix(expected), "\(fault)")
    }

    @Test("what would fill the memory or the stack is refused")
    func bombs() throws {
        var bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
        for (name, before) in zip("bcdefghijklm", "abcdefghijkl") {
            bomb += "\(name): &\(name) [\(Array(repeating: "*\(before)", count: 9).joined(separator: ", "))]\n"
        }
        #expect(try fault(bomb) == "f.yaml:1:4: anchors and aliases are not taken: write it out")
        // Hidden behind what looks like a comment and is none.
        #expect(try fault("a: \"b\n # \" : &a [x]\n").contains("it is not YAML"))
        #expect(try fault("# all of *this & that*\n" + Self.service + "    id: *id # &\n").contains("f.yaml:9:9"))
        #expect(try fault(String(repeating: "[", count: 1_000_000)).contains("it is not YAML"))
        #expect(try fault(String(repeating: "- ", count: 100_000)).contains("it is not YAML"))
        let large = FileManager.default.temporaryDirectory.appendingPathComponent("l4lb-c-\(getpid()).yaml")
        defer { try? FileManager.default.removeItem(at: large) }
        try Data(count: Config.limit + 1).write(to: large)
        let error = try #require(throws: FileFault.self) { _ = try ConfigFile(large.path) }
        #expect(error.description == "\(large.path): it is larger than 16 MiB")
        let missing = try #require(throws: FileFault.self) { _ = try ConfigFile("/nonexistent.yaml") }
        #expect(missing.description == "/nonexistent.yaml: cannot be read: No such file or directory")
    }

    @Test("a comment may say anything")
    func comments() throws {
        let text = "# web & api, *all*\n" + Self.service + "    id: 7 # R&D's\n"
        for end in ["\n", "\r\n", "\r"] {
            #expect(try file(text.replacing("\n", with: end)).declared.services.map(\.id) == [7])
            let fault = try fault((text + "    wait: 1\n").replacing("\n", with: end))
            #expect(fault.hasPrefix("f.yaml:10:5: services[0].wait"), "\(fault)")
        }
    }

    @Test("what the agent refuses gets its place in the file")
    func agentsFault() throws {
        let file = try file(Self.service)
        let refusal = APIError(BalancerError.refused("--backends: 20.1.1.10:80 cannot be reached").of(0))
        #expect("\(file.fault(refusal))" == "f.yaml:4:5: services[0].backends: 20.1.1.10:80 cannot be reached")
        #expect(
            "\(file.fault(APIError(BalancerError.refused("it is full").of(0))))"
                == "f.yaml:3:5: services[0]: it is full")
        #expect(file.fault(APIError(.unavailable, "it ends")) is APIError)
    }

    @Test("what is exported says the same again, a backend a line")
    func export() throws {
        var state = DesiredState(mode: .dsr)
        let requests: [ServiceRequest.Texts] = [
            .init(frontend: "40.1.1.1:80", backends: "20.1.1.10:80,20.1.1.20:80", weights: "1,0"),
            .init(
                id: "7", frontend: "[2001:db8::1]:*/udp", backends: "[2001:db8::a]:*", states: "draining",
                algorithm: "random", affinity: "60", sourceRanges: "10.0.0.0/8,2001:db8::/32",
                sourceRangesPolicy: "deny", mode: "dsr", maxNewConnections: "5"),
        ]
        for texts in requests { _ = try state.update(ServiceRequest(texts), origin: .command) }
        let settings = try #require(
            try L4LB.parseAsRoot(["--device=eth0,eth1", "--flow-table-size=1024"]) as? AgentCommand
        ).ownSettings
        let text = try Config(state, agent: settings).yaml()
        #expect(
            text == """
                version: 1
                mode: dsr
                agent:
                  devices:
                  - eth0
                  - eth1
                  flow_table_size: 1024
                services:
                - id: 1
                  frontend: 40.1.1.1:80/tcp
                  backends:
                  - {backend: '20.1.1.10:80', weight: 1, state: active}
                  - {backend: '20.1.1.20:80', weight: 0, state: active}
                  algorithm: maglev
                  source_ranges: []
                  source_ranges_policy: allow
                - id: 7
                  frontend: '[2001:db8::1]:*/udp'
                  backends:
                  - {backend: '[2001:db8::a]:*', weight: 1, state: draining}
                  algorithm: random
                  own_mode: dsr
                  affinity_seconds: 60
                  source_ranges:
                  - 10.0.0.0/8
                  - 2001:db8::/32
                  source_ranges_policy: deny
                  max_new_connections: 5

                """)
        let file = try file(text)
        let change = try state.apply(file.declared, origin: .file)
        #expect(change.adopted.count == 2 && change.created.isEmpty && change.replaced.isEmpty)
        #expect(try Config(DesiredState(mode: .snat), agent: nil).yaml() == "version: 1\nmode: snat\nservices: []\n")
    }
}
