import Addresses
import Balancer
import Foundation
import Testing

@testable import API

@Suite struct ServiceBodyTests {
    private func read(_ text: String) throws(APIError) -> ServiceRequest {
        try APIError.read(ServiceBody.self, from: Data(text.utf8)).request()
    }

    private func message(_ text: String) throws -> String {
        let error = try #require(throws: APIError.self) { _ = try read(text) }
        #expect(error.code == .invalid)
        return error.line
    }

    @Test("what is left out takes the command's default")
    func defaults() throws {
        let request = try read(#"{"frontend": "40.1.1.1:80", "backends": [{"backend": "20.1.1.10:80"}]}"#)
        #expect(try request == ServiceRequest(.init(frontend: "40.1.1.1:80", backends: "20.1.1.10:80")))
    }

    @Test(
        "what a command asks for arrives as it was asked",
        arguments: [
            ServiceRequest.Texts(frontend: "40.1.1.1:80", backends: "20.1.1.10:80"),
            .init(
                id: "7", frontend: "[2001:db8::1]:53/udp", backends: "[2001:db8::2]:53,[2001:db8::3]:53",
                weights: "0,65535", states: "draining,maintenance", algorithm: "random", affinity: "86400",
                sourceRanges: "10.0.0.0/8,2001:db8::/32", sourceRangesPolicy: "deny", mode: "dsr",
                maxNewConnections: "10000000"),
            .init(frontend: "40.1.1.1:80", backends: "20.1.1.10:80", health: .init(check: "tcp")),
            .init(
                frontend: "40.1.1.1:80", backends: "20.1.1.10:80",
                health: .init(
                    check: "http:/health", port: "8080", status: "200,204", interval: "1.5s", timeout: "250ms",
                    rise: "1", fall: "2", panicThreshold: "25")),
            .init(frontend: "40.1.1.1:*", backends: "20.1.1.10:*", affinity: ""),
        ])
    func roundTrip(texts: ServiceRequest.Texts) throws {
        let request = try ServiceRequest(texts)
        #expect(try read(JSON.text(ServiceBody(request), .oneLine)) == request)
    }

    @Test(
        "a body that is wrong is refused, and the field is named",
        arguments: [
            ("", "the body is empty: send a JSON object"), ("{", "the body is not JSON"),
            ("[]", "the body is not an object"),
            ("null", "the body is null and not an object"), ("{}", "frontend is missing"),
            (#"{"frontend": 1}"#, "frontend is not a text"),
            (#"{"frontend": null}"#, "frontend is null and not a text"),
            (#"{"frontend": "f"}"#, "backends is missing"),
            (#"{"frontend": "f", "backends": {}}"#, "backends is not a list"),
            (#"{"frontend": "f", "backends": ["b"]}"#, "backends[0] is not an object"),
            (#"{"frontend": "f", "backends": [{"backend": "b"}, {}]}"#, "backends[1].backend is missing"),
            (
                #"{"frontend": "f", "backends": [{"backend": "b", "wait": 1}]}"#,
                "backends[0].wait is no field: there are backend, weight, state"
            ),
            (
                #"{"frontend": "f", "backends": [{"backend": "b", "weight": 65536}]}"#,
                "backends[0].weight is not a whole number from 0 to 65535"
            ),
            (
                #"{"frontend": "f", "backends": [{"backend": "b", "weight": 0.5}]}"#,
                "backends[0].weight is not a whole number from 0 to 65535"
            ),
            (
                #"{"frontend": "f", "backends": [{"backend": "b", "weight": "1"}]}"#,
                "backends[0].weight is not a number"
            ),
            (#"{"frontend": "f", "backends": []}"#, "backends: none is given: name at least one"),
        ])
    func shape(body: String, expected: String) throws {
        #expect(try message(body) == expected)
    }

    @Test(
        "a value that is wrong is refused as the command refuses it, by the name of the field",
        arguments: [
            (#""id": 0"#, "id: 0 is not a number from 1 to 65535"),
            (#""id": -1"#, "id is not a whole number from 0 to 65535"),
            (#""algorithm": "x""#, "algorithm: x is not maglev or random"),
            (#""own_mode": "x""#, "own_mode: x is not snat or dsr"),
            (#""affinity_seconds": 0"#, "affinity_seconds: 0 is not a number of seconds from 1 to 86400"),
            (#""source_ranges": ["10.0.0.0/8,10.0.0.0/9"]"#, "source_ranges: 10.0.0.0/8,10.0.0.0/9 is not a prefix"),
            (#""source_ranges": ["10.0.0.0/8", "10.0.0.0/8"]"#, "source_ranges: 10.0.0.0/8 is given twice"),
            (#""source_ranges_policy": "x""#, "source_ranges_policy: x is not allow or deny"),
            (
                #""max_new_connections": 0"#,
                "max_new_connections: 0 is not a number per second from 1 to 10000000"
            ),
            (#""health_check": 1"#, "health_check is not an object"),
            (#""health_check": {}"#, "health_check.type is missing"),
            (#""health_check": {"type": "ping"}"#, "health_check.type: ping is not none, tcp or http"),
            (
                #""health_check": {"type": "tcp", "path": "/"}"#, "health_check.path: only a check of type http has one"
            ),
            (
                #""health_check": {"type": "http", "path": "x"}"#,
                "health_check.path: x is not a path such as /health, of 256 plain characters at most"
            ),
            (
                #""health_check": {"type": "tcp", "interval_seconds": 0.01}"#,
                "health_check.interval_seconds: 0.01s is not a time such as 2s or 500ms, from 100ms to 3600s"
            ),
            (
                #""health_check": {"type": "tcp", "interval_seconds": 1e300}"#,
                "health_check.interval_seconds: 1e+300s is not a time such as 2s or 500ms, from 100ms to 3600s"
            ),
            (
                #""health_check": {"type": "none", "fall": 1}"#,
                "health_check.fall: there is no health check: add --health-check=tcp or --health-check=http:/PATH"
            ),
            (#""health_check": {"type": "tcp", "rise": 0}"#, "health_check.rise: 0 is not a number from 1 to 100"),
        ])
    func values(field: String, expected: String) throws {
        #expect(
            try message(#"{"frontend": "40.1.1.1:80", "backends": [{"backend": "20.1.1.10:80"}], \#(field)}"#)
                == expected)
    }

    @Test(
        "each entry of the backends is one backend",
        arguments: [
            (
                #"{"backend": "20.1.1.10:80,20.1.1.20:80"}"#,
                "backends: 20.1.1.10:80,20.1.1.20:80 is not an IP address and port"
            ),
            (#"{"backend": ""}"#, "backends: '' is not an IP address and port"),
            (
                #"{"backend": "20.1.1.10:80"}, {"backend": "20.1.1.10:80"}"#,
                "backends: 20.1.1.10:80 is given twice: use --backend-weights to give it more connections"
            ),
            (
                #"{"backend": "20.1.1.10:80", "state": "a,b"}"#,
                "backends.state: a,b is not active, draining or maintenance"
            ),
        ])
    func backends(entries: String, expected: String) throws {
        #expect(try message(#"{"frontend": "40.1.1.1:80", "backends": [\#(entries)]}"#) == expected)
    }

    @Test("nesting without end is refused")
    func nesting() throws {
        #expect(try message(String(repeating: "[", count: 1_000_000)) == "the body is not JSON")
        #expect(try message(String(repeating: #"{"a":"#, count: 150_000)) == "the body is not JSON")
    }
}
