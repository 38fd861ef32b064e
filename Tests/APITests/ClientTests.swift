import Addresses
import Balancer
import Foundation
import Testing

@testable import API

@Suite struct ClientTests {
    private func withClient(
        _ body: (APIClient, MemoryBalancer) async throws -> Void
    ) async throws {
        try await withServer { file, balancer in
            let client = APIClient(at: file)
            do {
                try await body(client, balancer)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
        }
    }

    @Test("every report arrives as the balancer gave it")
    func reports() async throws {
        try await withClient { client, balancer in
            func expectSame<Report: Equatable>(_ ask: (any Balancing) async throws -> Report) async throws {
                let (here, there) = (try await ask(client), try await ask(balancer))
                #expect(here == there)
            }
            try await expectSame { try await $0.services() }
            try await expectSame { try await $0.serviceIDs() }
            try await expectSame { try await $0.service(id: 1) }
            try await expectSame { try await $0.connections(id: 1, limit: .max) }
            try await expectSame { try await $0.connections(id: 1, limit: 1) }
            try await expectSame { try await $0.backends(nil) }
            try await expectSame { try await $0.backends(Endpoint("20.1.1.10:80")!) }
            for client in ["10.0.0.1:1024", "[2001:db8::1]:1024"] {
                try await expectSame {
                    try await $0.explain(client: Endpoint(client)!, frontend: Frontend("40.1.1.1:80/tcp")!)
                }
            }
            try await expectSame { try await $0.neighbours() }
            try await expectSame { try await $0.status() }
            try await expectSame { try await $0.mode() }
            #expect(await client.isReady())
            await balancer.setReady(false)
            #expect(await client.isReady() == false)
        }
    }

    @Test("every change is made, and its report arrives")
    func changes() async throws {
        try await withClient { client, balancer in
            let request = try ServiceRequest(
                .init(
                    id: "2", frontend: "[2001:db8::1]:*/udp", backends: "[2001:db8::2]:*", affinity: "",
                    sourceRanges: "2001:db8::/32", mode: "dsr"))
            #expect(try await client.update(request).result == .created)
            #expect(try await client.update(request).result == .replaced)
            #expect(try await client.update(request).warnings == ["it is slow"])
            let service = try #require(await balancer.state.services[2])
            #expect(service.frontend == request.frontend && service.backends == request.backends)
            #expect(service.affinity == 10_800 && service.mode == .dsr)
            let backend = try #require(Endpoint("[2001:db8::2]:*"))
            let list = try await client.setState(.draining, of: backend, service: 2)
            #expect(list.backends.map(\.state) == ["draining"] && list.backends.map(\.override) == ["draining"])
            #expect(await balancer.state.services[2]?.backends.map(\.override) == [.draining])
            #expect(try await client.setState(nil, of: backend, service: nil).backends.map(\.override) == [nil])
            #expect(try await client.updateMode(.dsr) == .init(mode: .dsr, changed: true))
            #expect(try await client.updateMode(.dsr) == .init(mode: .dsr, changed: false))
            #expect(try await client.delete(id: 2).services.map(\.frontend) == ["[2001:db8::1]:*/udp"])
            #expect(try await client.deleteAll().deleted == 1)
            #expect(await balancer.state.services.isEmpty)
        }
    }

    @Test("a whole state is planned, applied, confirmed and read")
    func config() async throws {
        try await withClient { client, balancer in
            let service = #"{"frontend": "40.1.1.2:80", "backends": [{"backend": "20.1.1.10:80"}], "own_mode": null}"#
            let config = try Config.read(
                Data(
                    #"{"version": 1, "mode": "dsr", "defaults": {"own_mode": "snat", "affinity_seconds": 9}, "services": [\#(service)]}"#
                        .utf8))
            let plan = try await client.plan(config)
            #expect(try await plan == balancer.plan(config))
            #expect(plan.created == 1 && plan.modeAfter == "dsr" && plan.services[0].movedPercent == nil)
            #expect(try await client.apply(config, confirmSeconds: 60).confirmSeconds == 60)
            let made = try #require(await balancer.state.services[2])
            // Null is a word of the service's own.
            #expect(made.mode == nil && made.affinity == 9 && made.origin == .file)
            #expect(try await client.confirm().confirmed)
            let missing = try await #require(throws: APIError.self) { _ = try await client.confirm() }
            #expect(missing.code == .conflict)
            let running = try await client.config()
            let expected = try await balancer.config()
            #expect(JSON.text(running) == JSON.text(expected))
            #expect(running.agent?.devices == ["eth0", "eth1"])
            #expect(try await client.plan(running).adopted == 1)
            #expect(try await client.apply(running, confirmSeconds: nil).adopted == 1)
            #expect(try await client.plan(running).changed == false)
        }
    }

    @Test(
        "an error of a whole state has the field's path",
        arguments: [
            (#"{"version": 1, "services": [1]}"#, "services[0]", "services[0] is not an object"),
            (
                #"{"version": 1, "services": [{"frontend": "x", "backends": [{"backend": "b"}]}]}"#,
                "services[0].frontend", nil
            ),
            (
                #"{"version": 1, "services": [{"frontend": "40.1.1.1:80", "backends": [{"backend": "20.1.1.30:80"}]}]}"#,
                "services[0]", nil
            ),
            (
                #"{"version": 1, "services": [{"id": 1, "frontend": "40.1.1.5:80", "backends": [{"backend": "20.1.1.30:80"}]}]}"#,
                "services[0].id", "services[0].id: 1 belongs to 40.1.1.1:80/tcp: choose another one, or leave --id out"
            ),
            (#"{"version": 1, "defaults": {"algorithm": 1}, "services": []}"#, "defaults.algorithm", nil),
        ] as [(String, String, String?)])
    func fields(body: String, field: String, message: String?) async throws {
        try await withServer { file, _ in
            for (method, path) in [("POST", "/v1/plan"), ("PUT", "/v1/config")] {
                let error = try #require(try await exchange(file, method, path, body: body).error)
                #expect(error.field == field && error.message.hasPrefix(field))
                if let message { #expect(error.line == message) }
            }
        }
    }

    @Test(
        "an error is the agent's own, with its code, its mend and its details",
        arguments: [
            APIError(.invalid, "wrong"), .init(.conflict, "taken", mend: "choose another"),
            .init(.failed, "clang failed", details: "line 1\nline 2\n\u{1b}[31m"), .init(.unavailable, "it ends"),
            .init(.failed, String(repeating: "ü", count: 600)),
        ])
    func errors(expected: APIError) async throws {
        try await withClient { client, balancer in
            await balancer.fail(with: expected)
            let error = try await #require(throws: APIError.self) { _ = try await client.status() }
            #expect(error == expected)
        }
        try await withClient { client, _ in
            let missing = try await #require(throws: APIError.self) { _ = try await client.service(id: 9) }
            #expect(missing == APIError(.notFound, "no service has id 9: see 'service list'"))
        }
    }

    @Test("what the verifier says is in the details")
    func foreign() {
        struct Foreign: Error, CustomStringConvertible { var description = "cannot load it\nline 1\nline 2" }
        #expect(APIError(Foreign()) == APIError(.failed, "cannot load it", details: "line 1\nline 2"))
    }

    @Test("where no agent answers, that and the mend are said")
    func nobody() async throws {
        let client = APIClient(at: try SocketFile("/nonexistent/l4lb.sock"))
        let error = try await #require(throws: APIError.self) { _ = try await client.mode() }
        await client.close()
        #expect(
            error.line
                == "no agent answers at /nonexistent/l4lb.sock: start one with l4lb agent --no-repl, or name its socket with --socket"
        )
    }
}
