import API
import Foundation
import Testing

@testable import AzureHandler

@Suite("What the agent of Azure is told")
struct StatusTests {
    private let time = Date(timeIntervalSince1970: 1_795_964_400)

    private func entry(_ name: String, _ message: String = "m") -> StatusFile.Substatus {
        .init(name: name, status: .success, formattedMessage: .init(message: message))
    }

    private func object(_ data: Data) throws -> [String: Any] {
        let array = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        #expect(array.count == 1)
        return array[0]
    }

    @Test("A status is an array of one, with all members that the agent asks for")
    func form() throws {
        let file = StatusFile(
            name: "A.L4LB", operation: "enable", .error, code: .settings, "wrong", substatus: [entry("data plane")],
            at: time)
        let top = try object(file.data)
        #expect(top["version"] as? String == "1.0" && top["timestampUTC"] as? String == "2026-11-29T15:00:00Z")
        let status = try #require(top["status"] as? [String: Any])
        #expect(status["status"] as? String == "error" && status["code"] as? Int == 53)
        #expect(status["operation"] as? String == "enable")
        #expect(status["formattedMessage"] as? [String: String] == ["lang": "en-US", "message": "wrong"])
        let sub = try #require(status["substatus"] as? [[String: Any]])
        #expect(sub.count == 1 && sub[0]["status"] as? String == "success" && sub[0]["code"] as? Int == 0)
        #expect(try StatusFile(file.data) == file)
    }

    @Test("A long message is cut at a whole character, and a long list is cut so that the agent takes the file")
    func limits() throws {
        let long = StatusFile(
            name: "A", operation: "enable", .success, String(repeating: "ü", count: 1000),
            substatus: (0..<2000).map { entry("service \($0)", String(repeating: "x", count: 200)) }, at: time)
        let message = long.status.formattedMessage.message
        #expect(message.utf8.count <= 1024 && message.hasSuffix("ü..."))
        #expect(long.data.count <= 128 << 10)
        let shown = try StatusFile(long.data).status.substatus
        #expect(shown.count > 300 && shown[0].name == "service 0")
        #expect(shown.last?.formattedMessage.message == "\(2000 - shown.count + 1) more services")
    }

    @Test("The watch changes how things do, not what came of the settings, and only where it is anything new")
    func refresh() throws {
        var file = StatusFile(
            name: "A", operation: "enable", .error, code: .settings, "wrong", substatus: [entry("data plane")], at: time
        )
        let condition = Condition(silent: "nobody answers")
        let isNew = file.refresh(condition, at: time + 60)
        #expect(isNew)
        #expect(file.status.status == .error && file.status.formattedMessage.message == "wrong")
        #expect(file.status.substatus.map(\.status) == [.error] && file.timestampUTC == "2026-11-29T15:01:00Z")
        #expect(file.status.configurationAppliedTime == "2026-11-29T15:00:00Z")
        let isNewer = file.refresh(condition, at: time + 120)
        #expect(!isNewer)
        var under = StatusFile(name: "A", operation: "enable", .transitioning, "on its way", at: time)
        let isUnder = under.refresh(condition, at: time)
        #expect(!isUnder)
    }

    @Test("A service with backends that are down comes first, one that nobody serves is an error")
    func condition() throws {
        func service(_ id: Int, usable: Int, panic: Bool = false, _ health: [String]) -> [String: Any] {
            let backends = health.enumerated().map { place, health in
                [
                    "backend": "20.1.1.\(place + 1):80", "weight": 1, "state": "active", "override": NSNull(),
                    "health": health, "health_reason": health == "down" ? "refused" : NSNull(),
                ] as [String: Any]
            }
            return [
                "id": id, "frontend": "40.1.1.\(id):80/tcp", "mode": "snat", "own_mode": NSNull(),
                "algorithm": "maglev", "affinity_seconds": NSNull(), "source_ranges": [String](),
                "source_ranges_policy": "allow", "max_new_connections": NSNull(), "health_check": NSNull(),
                "usable_backends": usable, "panic": panic, "origin": "file", "connections": 0,
                "total_connections": 0, "packets": 0, "bytes": 0, "reply_packets": 0, "reply_bytes": 0,
                "drops": [String: Int](), "backends": backends,
            ]
        }
        let status: [String: Any] = [
            "mode": "snat", "paths": ["snat"], "compiled": "packaged",
            "devices": [["name": "eth0", "link_address": "0:0", "xdp_mode": "native", "program_id": 7]],
            "xdp_mode": "native", "program_id": 7, "services": 4, "backends": 9, "connections": 12,
            "connections_by_mode": ["snat": 12], "flow_table_size": 1, "flow_table_slots": 1,
            "flow_table_slots_used": 0, "flow_table_bytes": 0, "flow_table_ipv6_slots_used": NSNull(),
            "flow_table_ipv6_bytes": NSNull(), "snat_ports": [Any](), "confirm_seconds": NSNull(),
            "drops": [String: Int](), "events": [String: Int](),
        ]
        let services = [
            service(1, usable: 2, ["up", "up"]), service(2, usable: 1, ["up", "down"]), service(3, usable: 0, ["none"]),
            service(4, usable: 4, panic: true, ["down", "down", "down", "down"]),
        ]
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        func told(_ services: [[String: Any]]) throws -> Condition {
            Condition(
                try decoder.decode(StatusReport.self, from: JSONSerialization.data(withJSONObject: status)),
                try decoder.decode([ServiceReport].self, from: JSONSerialization.data(withJSONObject: services)))
        }
        let condition = try told(services)
        #expect(condition.summary == "snat on eth0 (native XDP): 4 services, 3 with backends that are down")
        #expect(
            condition.substatus.map(\.name) == [
                "data plane", "service 3 40.1.1.3:80/tcp", "service 2 40.1.1.2:80/tcp", "service 4 40.1.1.4:80/tcp",
                "service 1 40.1.1.1:80/tcp",
            ])
        #expect(condition.substatus.map(\.status) == [.success, .error, .warning, .warning, .success])
        #expect(
            condition.substatus[2].formattedMessage.message
                == "1 of 2 backends take new connections; 20.1.1.2:80 is down: refused")
        #expect(condition.substatus[3].formattedMessage.message.hasSuffix("1 more are down"))
        // What Azure's network does to it.
        var direct = service(1, usable: 1, ["up"])
        direct["mode"] = "dsr"
        #expect(try told([direct]).substatus.map(\.name) == ["data plane", "dsr", "service 1 40.1.1.1:80/tcp"])
    }

    @Test("A heartbeat and an event have the members that the agent asks for")
    func heartbeatAndEvent() throws {
        let beat = try object(Heartbeat(.notReady, "disabled").data)
        #expect(beat["version"] as? Double == 1.0)
        let inner = try #require(beat["heartbeat"] as? [String: Any])
        #expect(inner["status"] as? String == "NotReady" && inner["code"] as? Int == 0)
        #expect(inner["formattedMessage"] as? [String: String] == ["lang": "en-US", "message": "disabled"])

        let event = TelemetryEvent(
            "enable", isError: true, String(repeating: "x", count: 5000), version: "1.0.0", process: 7,
            operation: UUID(), at: time + 0.25)
        #expect(event.fileName == "1795964400250000000.json")
        let members = try #require(try object(event.data) as? [String: String])
        #expect(
            members.keys.sorted() == [
                "EventLevel", "EventPid", "EventTid", "Message", "OperationId", "TaskName", "Timestamp", "Version",
            ])
        #expect(members["Timestamp"] == "2026-11-29T15:00:00.250Z" && members["EventLevel"] == "Error")
        #expect((members["Message"] ?? "").utf8.count <= 3072)
    }

    @Test("Every exit code fits eight bits, and docs/azure.md tells it")
    func exitCodes() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/azure.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for code in ExitCode.allCases {
            #expect((0...125).contains(code.rawValue))
            #expect(text.contains("| \(code.rawValue) | \(code.meaning) |"), "\(code)")
        }
    }
}
