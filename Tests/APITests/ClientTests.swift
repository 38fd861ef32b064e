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
