import API
import Addresses
import Foundation
import Testing

@testable import Agent
@testable import Balancer
@testable import l4lb

@Suite struct JSONTests {
    /// What is printed, read again.
    private func object(_ report: some Encodable) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(JSON.text(report).utf8))
        return try #require(object as? [String: Any])
    }

    private func keys(_ object: Any?) throws -> Set<String> {
        Set(try #require(object as? [String: Any]).keys)
    }

    private let service = Service(
        id: 7, frontend: Frontend("40.1.1.1:80")!,
        backends: [
            Backend(Endpoint("20.1.1.10:80")!, weight: 3),
            Backend(Endpoint("20.1.1.20:80")!, weight: 0, state: .draining),
        ])

    private func dump(_ mode: Mode) -> LoadBalancer.Dump {
        let connection = Connection(
            client: Endpoint("10.0.0.1:1000")!, frontend: service.frontend, backend: service.backends[0].endpoint,
            mode: mode, state: .established, age: 9, idle: 1, packets: 2, bytes: UInt64.max,
            replyPackets: mode == .dsr ? nil : 0, replyBytes: mode == .dsr ? nil : 5)
        return .init(
            service: service, mode: mode, connections: [connection],
            backends: service.backends.map { BackendReport(backend: $0, connections: 1, totalConnections: 2) })
    }

    @Test("dumpstate has the keys that scripts rely on")
    func dumpState() throws {
        let dump = try object(DumpReport(dump(.snat)))
        #expect(try keys(dump) == ["service", "connections", "backends"])
        #expect(try keys(dump["service"]) == ["id", "frontend", "mode", "algorithm"])
        let connection = try #require((dump["connections"] as? [[String: Any]])?.first)
        #expect(
            try keys(connection) == [
                "protocol", "client", "frontend", "backend", "mode", "state", "age_seconds", "idle_seconds", "packets",
                "bytes", "reply_packets", "reply_bytes",
            ])
        #expect(connection["protocol"] as? String == "tcp")
        #expect(connection["client"] as? String == "10.0.0.1:1000")
        #expect(connection["frontend"] as? String == "40.1.1.1:80/tcp")
        #expect(connection["backend"] as? String == "20.1.1.10:80")
        #expect(connection["state"] as? String == "established")
        #expect(connection["age_seconds"] as? Int == 9)
        #expect(connection["bytes"] as? UInt64 == .max)
        #expect(connection["reply_packets"] as? Int == 0)
        let backends = try #require(dump["backends"] as? [[String: Any]])
        #expect(
            try keys(backends.first) == [
                "backend", "weight", "state", "health", "health_reason", "connections", "total_connections", "packets",
                "bytes", "reply_packets",
                "reply_bytes",
            ])
        #expect(backends.map { $0["backend"] as? String } == ["20.1.1.10:80", "20.1.1.20:80"])
        #expect(backends.map { $0["weight"] as? Int } == [3, 0])
        #expect(backends.map { $0["state"] as? String } == ["active", "draining"])
        #expect(backends.first?["reply_bytes"] as? Int == 0)
    }

    @Test("in DSR the replies are null, not zero and not left out")
    func dsr() throws {
        let dump = try object(DumpReport(dump(.dsr)))
        #expect((dump["service"] as? [String: Any])?["mode"] as? String == "dsr")
        for list in ["connections", "backends"] {
            for entry in try #require(dump[list] as? [[String: Any]]) {
                #expect(entry["reply_packets"] is NSNull)
                #expect(entry["reply_bytes"] is NSNull)
            }
        }
        // Replies of connections that began in SNAT did pass here.
        var mixed = self.dump(.dsr)
        mixed.backends[0].replyPackets = 4
        let backends = try #require(try object(DumpReport(mixed))["backends"] as? [[String: Any]])
        #expect(backends[0]["reply_packets"] as? Int == 4)
        #expect(backends[1]["reply_packets"] is NSNull)
    }

    @Test("a service has the keys that scripts rely on")
    func services() throws {
        var counters = ServiceCounters()
        counters.connections = 5
        counters.totalConnections = 6
        (counters.packets, counters.bytes, counters.replyPackets, counters.replyBytes) = (7, 8, 9, 10)
        counters.drops = [.sourceRange: 11, .newConnections: 12]
        let report = try object(
            ServiceListReport(services: [ServiceReport(.init(service: service, mode: .snat, counters: counters))]))
        let entry = try #require((report["services"] as? [[String: Any]])?.first)
        #expect(
            try keys(entry) == [
                "id", "frontend", "mode", "own_mode", "algorithm", "affinity_seconds", "source_ranges",
                "source_ranges_policy", "max_new_connections", "health_check", "usable_backends", "panic", "origin",
                "connections", "total_connections", "packets",
                "bytes", "reply_packets", "reply_bytes", "drops", "backends",
            ])
        #expect(entry["affinity_seconds"] is NSNull)
        let numbers = [
            "connections", "total_connections", "packets", "bytes", "reply_packets", "reply_bytes",
        ]
        #expect(numbers.map { entry[$0] as? Int } == [5, 6, 7, 8, 9, 10])
        #expect(entry["drops"] as? [String: Int] == ["source_range": 11, "new_connection_limit": 12])
        #expect(entry["mode"] as? String == "snat")
        #expect(entry["own_mode"] is NSNull && entry["max_new_connections"] is NSNull)
        #expect(entry["source_ranges_policy"] as? String == "allow")
        var other = service
        other.affinity = 60
        other.sourceRanges = [IPPrefix("10.0.0.0/8")!]
        other.sourceRangesPolicy = .deny
        other.mode = .dsr
        other.maxNewConnections = 100
        let second = try object(ServiceReport(.init(service: other, mode: .dsr, counters: ServiceCounters())))
        #expect(second["mode"] as? String == "dsr" && second["own_mode"] as? String == "dsr")
        #expect(second["source_ranges_policy"] as? String == "deny")
        #expect(second["max_new_connections"] as? Int == 100)
        #expect(second["reply_packets"] is NSNull && second["reply_bytes"] is NSNull)
        #expect(second["affinity_seconds"] as? Int == 60)
        #expect(second["source_ranges"] as? [String] == ["10.0.0.0/8"])
        #expect(second["origin"] as? String == "command")
    }

    @Test("status has the keys that scripts rely on, with every drop reason")
    func status() throws {
        let device = Device(name: "eth0", index: 3, address: LinkAddress("02:00:00:00:00:01")!, mtu: 1500)
        let status = LoadBalancer.Status(
            mode: .dsr, paths: Paths([.snat, .dsr]), compiled: .packaged,
            devices: [.init(device: device, isNative: true, programID: 42)],
            services: 1,
            backends: 2, connections: [.snat: 3, .dsr: 4], flowTableSize: 5, flowTablePlaces: 7,
            flowTable: .init(used: 6, bytes: 8), flowTable6: nil, flowTable6Bytes: 16,
            snatPorts: [.init(backend: Endpoint("20.1.1.10:80")!, transport: .tcp, inUse: 3, available: 4)],
            drops: Dictionary(uniqueKeysWithValues: DropReason.allCases.map { ($0, 9) }),
            events: Dictionary(uniqueKeysWithValues: EventCounter.allCases.map { ($0, 10) }))
        let report = try object(StatusReport(status))
        #expect(
            try keys(report).isSuperset(of: [
                "mode", "paths", "compiled", "devices", "xdp_mode", "program_id", "services", "backends", "connections",
                "connections_by_mode", "flow_table_size", "flow_table_slots", "flow_table_slots_used",
                "flow_table_bytes",
                "flow_table_ipv6_bytes", "flow_table_ipv6_slots_used", "snat_ports", "drops", "events",
            ]))
        #expect(report["compiled"] as? String == "packaged")
        #expect(report["flow_table_bytes"] as? Int == 8)
        #expect(report["flow_table_size"] as? Int == 5 && report["flow_table_slots"] as? Int == 7)
        #expect(report["flow_table_slots_used"] as? Int == 6)
        #expect(report["flow_table_ipv6_bytes"] is NSNull)
        let ports = try #require((report["snat_ports"] as? [[String: Any]])?.first)
        #expect(try keys(ports) == ["backend", "protocol", "in_use", "available"])
        #expect(ports["backend"] as? String == "20.1.1.10:80")
        #expect(ports["in_use"] as? Int == 3 && ports["available"] as? Int == 4)
        #expect(report["xdp_mode"] as? String == "native")
        #expect(report["program_id"] as? Int == 42)
        #expect(report["connections"] as? Int == 7)
        #expect(report["connections_by_mode"] as? [String: Int] == ["snat": 3, "dsr": 4])
        #expect(try keys(report["drops"]) == Set(DropReason.allCases.map(\.rawValue)))
        #expect(try keys(report["events"]) == Set(EventCounter.allCases.map(\.rawValue)))
        let entry = try #require((report["devices"] as? [[String: Any]])?.first)
        #expect(try keys(entry) == ["name", "link_address", "xdp_mode", "program_id"])
    }

    @Test("a neighbour that has not answered is null")
    func neighbours() throws {
        let report = try object(
            NeighborListReport([
                .init(
                    address: IPAddress("20.1.1.10")!, device: "eth0", linkAddress: nil,
                    backends: [IPAddress("20.1.1.10")!])
            ]))
        let entry = try #require((report["neighbors"] as? [[String: Any]])?.first)
        #expect(try keys(entry) == ["address", "link_address", "device", "backends"])
        #expect(entry["link_address"] is NSNull)
    }

    @Test("small reports")
    func small() throws {
        let update = try object(ServiceUpdateReport(.created(service), warnings: ["w"]))
        #expect(Set(update.keys) == ["result", "id", "frontend", "backends", "warnings"])
        #expect(update["result"] as? String == "created" && update["backends"] as? Int == 2)
        #expect(JSON.text(ModeReport(mode: .dsr)) == "{\n  \"mode\" : \"dsr\"\n}")
        #expect(try object(ModeUpdateReport(mode: .dsr, changed: true))["changed"] as? Bool == true)
        let deleted = try object(DeletedReport([service]))
        #expect(deleted["deleted"] as? Int == 1)
        let entry = try #require((deleted["services"] as? [[String: Any]])?.first)
        #expect(entry["id"] as? Int == 7 && entry["frontend"] as? String == "40.1.1.1:80/tcp")
    }
}
