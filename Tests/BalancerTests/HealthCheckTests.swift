import Addresses
import Balancer
import Testing

@Suite struct HealthCheckTests {
    @Test("what is left out takes its default, and without a check there is none")
    func defaults() throws {
        #expect(try request("40.1.1.1:80").healthCheck == nil)
        #expect(try request("40.1.1.1:80", health: .init(check: "none")).healthCheck == nil)
        let tcp = try #require(try request("40.1.1.1:80", health: .init(check: "tcp")).healthCheck)
        #expect(tcp == HealthCheck(.tcp))
        #expect((tcp.interval, tcp.timeout) == (Milliseconds(2000), Milliseconds(1000)))
        #expect((tcp.rise, tcp.fall, tcp.panicThreshold, tcp.port) == (2, 3, 0, nil))
        let http = try #require(try request("40.1.1.1:80", health: .init(check: "http")).healthCheck)
        #expect(http.kind == .http(path: "/", statuses: HTTPStatuses("200-399")!))
    }

    @Test("everything that is given is taken, and its texts mean the same again")
    func full() throws {
        let texts = HealthCheck.Texts(
            check: "http:/a?b=c:d", port: "65535", status: "200,300-302", interval: "100ms", timeout: "1m", rise: "1",
            fall: "100", panicThreshold: "100")
        let check = try #require(try request("40.1.1.1:80", health: texts).healthCheck)
        #expect(
            check
                == HealthCheck(
                    .http(path: "/a?b=c:d", statuses: HTTPStatuses("200,300-302")!), port: 65535,
                    interval: Milliseconds(100), timeout: Milliseconds(60_000), rise: 1, fall: 100,
                    panicThreshold: 100))
        #expect(try request("40.1.1.1:80", health: .init(check)).healthCheck == check)
    }

    static let refused: [(HealthCheck.Texts, String)] = [
        (.init(check: "ping"), "--health-check: ping is not none, tcp, http or http:/PATH"),
        (.init(check: ""), "--health-check: '' is not none"),
        (.init(check: "tcp:/x"), "--health-check: tcp:/x is not none"),
        (.init(check: "http:x"), "--health-check: x is not a path such as /health"),
        (.init(check: "http:"), "--health-check: '' is not a path"),
        (.init(check: "http:/a b"), "--health-check: '/a b' is not a path"),
        (.init(check: "http:/\r\nHost:"), "--health-check: '/??Host:' is not a path"),
        (.init(check: "http:/" + String(repeating: "a", count: 256)), "--health-check: /aaaa"),
        (.init(interval: "1s"), "--health-interval: there is no health check: add --health-check=tcp"),
        (.init(check: "none", fall: "1"), "--health-fall: there is no health check"),
        (.init(check: "tcp", status: "200"), "--health-status: TCP has none: use --health-check=http:/PATH"),
        (.init(check: "http", status: "2xx"), "--health-status: 2xx is not a list of statuses"),
        (.init(check: "http", status: "399-200"), "--health-status: 399-200 is not a list"),
        (.init(check: "http", status: "200,"), "--health-status: 200, is not a list"),
        (.init(check: "http", status: "99"), "--health-status: 99 is not a list"),
        (.init(check: "http", status: "600"), "--health-status: 600 is not a list"),
        (.init(check: "http", status: "100-200-300"), "--health-status: 100-200-300 is not a list"),
        (
            .init(check: "http", status: Array(repeating: "200", count: 17).joined(separator: ",")),
            "--health-status: 200,"
        ),
        (
            .init(check: "tcp", interval: "99ms"),
            "--health-interval: 99ms is not a time such as 2s or 500ms, from 100ms"
        ),
        (.init(check: "tcp", interval: "61m"), "--health-interval: 61m is not a time"),
        (.init(check: "tcp", interval: "-1s"), "--health-interval: -1s is not a time"),
        (.init(check: "tcp", interval: "nan"), "--health-interval: nan is not a time"),
        (.init(check: "tcp", interval: ""), "--health-interval: '' is not a time"),
        (.init(check: "tcp", timeout: "0"), "--health-timeout: 0 is not a time"),
        (.init(check: "tcp", timeout: "2m"), "--health-timeout: 2m is not a time"),
        (.init(check: "tcp", rise: "0"), "--health-rise: 0 is not a number from 1 to 100"),
        (.init(check: "tcp", fall: "101"), "--health-fall: 101 is not a number from 1 to 100"),
        (.init(check: "tcp", port: "0"), "--health-port: 0 is not a port from 1 to 65535"),
        (.init(check: "tcp", panicThreshold: "101"), "--health-panic-threshold: 101 is not a percentage from 0 to 100"),
    ]

    @Test("what is wrong is refused, and the option is named", arguments: refused.indices)
    func refusals(row: Int) {
        let (texts, expected) = Self.refused[row]
        let error = refusal { _ = try request("40.1.1.1:80", health: texts) }
        #expect(error?.kind == .usage)
        #expect(error?.description.hasPrefix(expected) == true, "\(error?.description ?? "taken")")
    }

    @Test(
        "times are written as people write them",
        arguments: [
            ("2s", 2000, "2s"), ("2", 2000, "2s"), ("500ms", 500, "500ms"), ("1.5s", 1500, "1500ms"),
            ("1m", 60_000, "60s"), ("1h", 3_600_000, "3600s"), ("0.1", 100, "100ms"),
        ])
    func times(text: String, milliseconds: Int, canonical: String) {
        #expect(Milliseconds(text)?.count == milliseconds)
        #expect(Milliseconds(text)?.description == canonical)
        #expect(Milliseconds(canonical)?.count == milliseconds)
    }

    @Test(
        "the port that is asked is the one that gets the packets, or the one that is named",
        arguments: [
            ("40.1.1.1:80", "20.1.1.10:8080", nil, 8080, 80), ("40.1.1.1:80", "20.1.1.10:8080", "99", 99, 99),
            ("40.1.1.1:53/udp", "20.1.1.10:53", nil, 53, 53), ("40.1.1.1:*", "20.1.1.10:8080", nil, 8080, 8080),
            ("40.1.1.1:*", "20.1.1.10:*", "80", 80, 80),
        ] as [(String, String, String?, UInt16, UInt16)])
    func ports(frontend: String, backend: String, named: String?, snat: UInt16, dsr: UInt16) throws {
        let request = try request(frontend, backend, health: .init(check: "tcp", port: named))
        let check = try #require(request.healthCheck)
        for (mode, port) in [(Mode.snat, snat), (.dsr, dsr)] {
            #expect(check.port(of: request.backends[0], behind: request.frontend, mode: mode) == port)
        }
    }

    @Test("a backend without a port of its own needs one to be checked at")
    func noPort() {
        let error = refusal { _ = try request("40.1.1.1:*", "20.1.1.10:*", health: .init(check: "tcp")) }
        #expect(
            error?.description
                == "--health-check: 20.1.1.10:* has no port that could be asked: add --health-port")
    }

    @Test(
        "an answer of HTTP is judged by its status as soon as that is there",
        arguments: [
            ("", false, nil), ("HTTP/1.1 200", false, nil), ("HTTP/1.1 200 OK\r\n", false, .passed),
            ("HTTP/1.0 399\r\n", true, .passed), ("HTTP/1.1 200\n", false, .passed),
            ("HTTP/1.1 500 No\r\n", false, .failed("status 500 and not 200-399")),
            ("HTTP/1.1 100 Continue\r\n", false, .failed("status 100 and not 200-399")),
            ("", true, .failed("the connection was closed without an answer")),
            ("HTTP/1.1 2", true, .failed("the answer is not HTTP")),
            ("SSH-2.0-OpenSSH\r\n", false, .failed("the answer is not HTTP")),
            ("HTTP/1.1 2000\r\n", false, .failed("the answer is not HTTP")),
            ("HTTP/1.1\r\n", false, .failed("the answer is not HTTP")),
            ("\n", false, .failed("the answer is not HTTP")),
            (String(repeating: "a", count: 4096), false, .failed("the answer is not HTTP")),
        ] as [(String, Bool, ProbeOutcome?)])
    func answers(answer: String, isEnd: Bool, expected: ProbeOutcome?) {
        #expect(HTTPProbe.outcome(Array(answer.utf8), isEnd: isEnd, statuses: .usual) == expected)
    }

    @Test(
        "a request names the frontend as a client's would",
        arguments: [
            ("40.1.1.1:80", "40.1.1.1"), ("40.1.1.1:8080", "40.1.1.1:8080"), ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("[2001:db8::1]:81", "[2001:db8::1]:81"),
        ])
    func requests(host: Endpoint, name: String) {
        let text = String(decoding: HTTPProbe.request(path: "/health", host: host), as: UTF8.self)
        #expect(text.hasPrefix("GET /health HTTP/1.1\r\nHost: \(name)\r\n") && text.hasSuffix("\r\n\r\n"))
    }
}
