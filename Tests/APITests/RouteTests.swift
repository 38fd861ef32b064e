import Addresses
import Testing

@testable import API

@Suite struct RouteTests {
    @Test(
        "a method and a path are what is asked for",
        arguments: [
            ("GET", "/v1/services", Route.listServices), ("POST", "/v1/services", .postService),
            ("DELETE", "/v1/services", .deleteServices), ("GET", "/v1/services/1", .getService(1)),
            ("PUT", "/v1/services/65535", .putService(65535)), ("DELETE", "/v1/services/7", .deleteService(7)),
            ("GET", "/v1/services/7/connections", .connections(7, limit: 10_000)),
            ("GET", "/v1/neighbors", .neighbours), ("GET", "/v1/backends", .listBackends),
            ("GET", "/v1/backends/20.1.1.10:80", .getBackend(Endpoint("20.1.1.10:80")!)),
            ("PUT", "/v1/backends/%5Bfd00::1%5D%3A80", .putBackend(Endpoint("[fd00::1]:80")!)),
            ("PUT", "/v1/backends/[fd00::1]:80", .putBackend(Endpoint("[fd00::1]:80")!)),
            ("GET", "/v1/mode", .getMode), ("PUT", "/v1/mode", .putMode), ("GET", "/v1/status", .status),
            ("POST", "/v1/plan", .plan), ("GET", "/v1/config", .getConfig),
            ("PUT", "/v1/config", .putConfig(confirm: nil)),
            ("POST", "/v1/config/confirm", .confirm), ("GET", "/metrics", .metrics),
            ("GET", "/v1/traffic", .traffic), ("GET", "/healthz", .healthy), ("GET", "/readyz", .ready),
        ])
    func known(method: String, path: String, route: Route) throws {
        #expect(try Route(method: method, path: path) == route)
    }

    @Test(
        "how many connections are asked for is in the query",
        arguments: [
            ("limit=1", 1), ("limit=16777216", 16_777_216), ("limit=0", nil), ("limit=16777217", nil), ("limit=", nil),
            ("limit=x", nil), ("", nil), ("a=1&limit=5", nil), ("limit=99999999999999999999", nil),
        ] as [(String, Int?)])
    func limit(query: String, limit: Int?) throws {
        let path = "/v1/services/7/connections"
        guard let limit else {
            #expect(
                try #require(throws: APIError.self) { _ = try Route(method: "GET", path: path, query: query) }.code
                    == .invalid)
            return
        }
        #expect(try Route(method: "GET", path: path, query: query) == .connections(7, limit: limit))
    }

    @Test(
        "the flow that is to be explained is in the query, percent-encoded or not",
        arguments: [
            ("client=10.0.0.1:1024&frontend=40.1.1.1:80", "10.0.0.1:1024", "40.1.1.1:80/tcp"),
            ("frontend=40.1.1.1%3A53%2Fudp&client=10.0.0.1%3A1024", "10.0.0.1:1024", "40.1.1.1:53/udp"),
            ("client=%5B2001:db8::1%5D:1&frontend=[2001:db8::2]:80/tcp", "[2001:db8::1]:1", "[2001:db8::2]:80/tcp"),
            ("client=10.0.0.1:1024", nil, nil), ("client=10.0.0.1&frontend=40.1.1.1:80", nil, nil), ("", nil, nil),
            ("client=10.0.0.1:1024&frontend=40.1.1.1:*", nil, nil), ("client=%zz&frontend=40.1.1.1:80", nil, nil),
            ("client=10.0.0.1:1024&frontend=40.1.1.1:80&x=1", nil, nil), ("&&=&client", nil, nil),
        ] as [(String, String?, String?)])
    func explained(query: String, client: String?, frontend: String?) throws {
        #expect(try Route(method: "GET", path: "/v1/explain", query: query) == .explain(query: query))
        let flow = try? Route.explained(query)
        #expect(flow?.client.description == client && flow?.frontend.description == frontend)
        guard let flow else { return }
        let path = Route.path(explaining: flow.client, flow.frontend)
        let again = try Route.explained(String(path.drop { $0 != "?" }.dropFirst()))
        #expect(again == flow)
    }

    @Test(
        "how long a state waits for its confirmation is in the query",
        arguments: [
            ("confirm=1", 1), ("confirm=86400", 86_400), ("confirm=0", nil), ("confirm=86401", nil), ("confirm", nil),
            ("limit=5", nil),
        ] as [(String, Int64?)])
    func confirm(query: String, seconds: Int64?) throws {
        let route = try? Route(method: "PUT", path: "/v1/config", query: query)
        #expect(route == seconds.map { .putConfig(confirm: $0) })
    }

    @Test(
        "what is not there, not allowed or no id is said",
        arguments: [
            ("GET", "/", APIError.Code.notFound), ("GET", "", .notFound), ("GET", "v1/mode", .notFound),
            ("GET", "/v1", .notFound), ("GET", "/v1/services/", .invalid), ("GET", "/v1/services/1/", .notFound),
            ("GET", "/v1/services/1/connections/2", .notFound), ("GET", "/v2/services", .notFound),
            ("GET", "//v1/services", .notFound), ("GET", "/v1/services/0", .invalid),
            ("GET", "/v1/services/65536", .invalid), ("GET", "/v1/services/-1", .invalid),
            ("GET", "/v1/services/x/connections", .invalid), ("GET", "/v1/services/%31", .invalid),
            ("GET", "/v1/backends/", .invalid), ("PUT", "/v1/backends/20.1.1.10", .invalid),
            ("PUT", "/v1/backends/%zz", .invalid), ("GET", "/v1/backends/20.1.1.10:80/state", .notFound),
            ("DELETE", "/v1/backends/20.1.1.10:80", .methodNotAllowed), ("PUT", "/v1/backends", .methodNotAllowed),
            ("POST", "/v1/mode", .methodNotAllowed), ("HEAD", "/v1/status", .methodNotAllowed),
            ("get", "/v1/status", .methodNotAllowed), ("PATCH", "/v1/services/1", .methodNotAllowed),
            ("DELETE", "/v1/services/1/connections", .methodNotAllowed),
        ])
    func unknown(method: String, path: String, code: APIError.Code) throws {
        let error = try #require(throws: APIError.self) { _ = try Route(method: method, path: path) }
        #expect(error.code == code)
        if code == .methodNotAllowed {
            #expect(error.mend == "use \(try Route.allowed(path: path))")
        }
    }
}
