import Addresses
import Foundation
import Testing

@testable import Balancer

/// What an agent leaves to the one after it.
@Suite struct SavedStateTests {
    static func state() throws -> (DesiredState, BackendIndices) {
        var state = DesiredState(mode: .dsr, mapMax: 100)
        let requests = [
            try request("40.1.1.1:80", "20.1.1.10:80,20.1.1.20:8080", weights: "1,0", states: "active,draining"),
            try request(
                "[2001:db8::1]:53/udp", "[2001:db8::a]:53", id: "7", algorithm: "random", affinity: "60",
                sourceRanges: "2001:db8::/32", policy: "deny", maxNewConnections: "1000"),
            try request("40.1.1.2:*", "20.1.1.10:*", mode: "snat"),
            try request(
                "40.1.1.3:80",
                health: .init(
                    check: "http:/health", port: "8080", status: "200-299,404", interval: "500ms", timeout: "2s",
                    rise: "1", fall: "9", panicThreshold: "50")),
            try request("40.1.1.4:80", "20.1.1.10:80", health: .init(check: "tcp")),
        ]
        var indices = BackendIndices(capacity: 100)
        for request in requests {
            let service = try state.update(request, origin: .command).service
            for backend in service.backends {
                _ = indices.index(for: BackendKey(frontend: service.frontend, backend: backend.endpoint))
            }
        }
        // One that has left, and still has connections.
        _ = indices.index(for: BackendKey(frontend: "40.9.9.9:80/tcp", backend: "20.1.1.30:80"))
        return (state, indices)
    }

    @Test("services, the mode, and the places of backends come back as they were")
    func roundTrip() throws {
        let (state, indices) = try Self.state()
        let saved = SavedState(state, indices: indices, serviceIDs: ["40.9.9.9:80/tcp": 9])
        let restored = try #require(try saved.restored(mapMax: 100))
        #expect(restored.state == state)
        #expect(restored.indices.all == indices.all)
        #expect(restored.serviceIDs["40.9.9.9:80/tcp"] == 9)
        #expect(restored.serviceIDs["40.1.1.1:80/tcp"] == 1)
        #expect(SavedState(restored.state, indices: restored.indices, serviceIDs: restored.serviceIDs) == saved)
    }

    @Test("backends that were dead are remembered with the reason, and a file of before there were checks is read")
    func down() throws {
        let (state, indices) = try Self.state()
        let dead = [BackendKey(frontend: "40.1.1.3:80/tcp", backend: "20.1.1.10:80"): "status 500 and not 200"]
        let saved = SavedState(state, indices: indices, serviceIDs: [:], down: dead)
        #expect(try saved.restored(mapMax: 100)?.down == dead)
        #expect(saved != SavedState(state, indices: indices, serviceIDs: [:]))
        let old = """
            {"mode": "snat", "places": [], "services": [{"id": 1, "frontend": "40.1.1.1:80/tcp", "algorithm": "maglev",
            "backends": [{"endpoint": "20.1.1.10:80", "weight": 1, "state": "active"}], "sourceRanges": [],
            "sourceRangesPolicy": "allow", "origin": "command"}]}
            """
        let restored = try #require(
            try JSONDecoder().decode(SavedState.self, from: Data(old.utf8)).restored(mapMax: 100))
        #expect(restored.down.isEmpty && restored.state.services[1]?.healthCheck == nil)
    }

    @Test("a place that was given out is not given to another backend")
    func placesStay() throws {
        let (state, indices) = try Self.state()
        var restored = try #require(
            try SavedState(state, indices: indices, serviceIDs: [:]).restored(mapMax: 100)
        ).indices
        let new = restored.index(for: BackendKey(frontend: "40.3.3.3:80/tcp", backend: "20.1.1.40:80"))
        #expect(new.map { indices.key(at: $0) } == .some(nil))
    }

    static let damages: [(String, @Sendable (inout SavedState) -> Void)] = [
        ("a mode", { $0.mode = "nat" }),
        ("a frontend", { $0.services[0].frontend = "40.1.1.1" }),
        ("a backend", { $0.services[0].backends[0].endpoint = "x" }),
        ("a backend's state", { $0.services[0].backends[0].state = "asleep" }),
        ("a service's mode", { $0.services[0].mode = "nat" }),
        ("a range", { $0.services[1].sourceRanges = ["::/200"] }),
        ("an origin", { $0.services[0].origin = "elsewhere" }),
        ("a health check", { $0.services[2].healthCheck?.check = "ping" }),
        ("a health check's time", { $0.services[2].healthCheck?.interval = "1ms" }),
        ("a dead backend", { $0.down = [.init(frontend: "40.1.1.3:80", backend: "x", reason: "")] }),
        ("an id", { $0.services[0].id = 0 }),
        ("a place's backend", { $0.places[0].backend = "" }),
    ]

    @Test("what means nothing is not taken for something else", arguments: damages.indices)
    func damaged(row: Int) throws {
        let (state, indices) = try Self.state()
        var saved = SavedState(state, indices: indices, serviceIDs: [:])
        Self.damages[row].1(&saved)
        #expect(try saved.restored(mapMax: 100) == nil, "\(Self.damages[row].0)")
    }

    @Test("limits that are smaller than what was set are refused, and the flag is named")
    func smallerLimits() throws {
        let (state, indices) = try Self.state()
        let saved = SavedState(state, indices: indices, serviceIDs: [:])
        for mapMax in 1...4 {
            let error = refusal { _ = try saved.restored(mapMax: mapMax) }
            #expect(error?.description.contains("--bpf-lb-map-max: \(mapMax)") == true)
        }
        var twice = saved
        twice.places[1].index = twice.places[0].index
        #expect(refusal { _ = try twice.restored(mapMax: 100) } != nil)
    }
}
