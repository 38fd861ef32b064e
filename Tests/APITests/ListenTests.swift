import Addresses
import AsyncHTTPClient
import Foundation
import Testing

@testable import API

@Suite struct ListenTests {
    @Test(
        "where to listen is an address and a port, or a port of all addresses",
        arguments: [
            ("127.0.0.1:9100", "127.0.0.1:9100", true), ("127.9.9.9:1", "127.9.9.9:1", true),
            ("[::1]:9100", "[::1]:9100", true), (":9100", ":9100", false), ("0.0.0.0:9100", "0.0.0.0:9100", false),
            ("[::]:9100", "[::]:9100", false), ("10.0.0.1:65535", "10.0.0.1:65535", false),
            ("[2001:db8::1]:9100", "[2001:db8::1]:9100", false),
        ])
    func addresses(text: String, shown: String, isLoopback: Bool) throws {
        let address = try ListenAddress(text)
        #expect(address.description == shown && address.isLoopback == isLoopback)
    }

    @Test(
        "what is no such thing is said",
        arguments: [
            "", ":", ":0", ":65536", "9100", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:*", ":*", "::1:9100",
            "host:9100", "localhost:9100", "[::1]", "10.0.0.256:80", " 127.0.0.1:80", ":-1", ":+1",
        ])
    func noAddress(text: String) throws {
        let error = try #require(throws: APIError.self) { _ = try ListenAddress(text) }
        #expect(error.code == .invalid && error.message.hasPrefix("--listen: "))
    }

    @Test(
        "without TLS nothing but loopback is listened at",
        arguments: ["0.0.0.0:9100", ":9100", "[::]:1", "10.0.0.1:80"])
    func open(text: String) throws {
        let error = try #require(throws: APIError.self) { _ = try ListenPlan(try ListenAddress(text), nil) }
        #expect(error.code == .invalid && error.message.contains("--tls-client-ca"))
    }

    @Test(
        "the three files of TLS belong together",
        arguments: [
            ("c", nil, nil, "--tls-key"), (nil, "k", nil, "--tls-cert"), (nil, nil, "a", "--tls-cert"),
            ("c", "k", nil, "--tls-client-ca"), ("c", nil, "a", "--tls-key"),
        ] as [(String?, String?, String?, String)])
    func together(certificate: String?, key: String?, clientCA: String?, missing: String) throws {
        let error = try #require(throws: APIError.self) {
            _ = try TLSFiles(certificate: certificate, key: key, clientCA: clientCA)
        }
        #expect(error.message.hasPrefix("\(missing) is missing: "))
        #expect(try TLSFiles(certificate: nil, key: nil, clientCA: nil) == nil)
    }

    @Test(
        "a web page's requests are refused, by the name that it came by or by what a browser adds",
        arguments: [
            ("localhost:9100", nil, true), ("LocalHost", nil, true), ("127.0.0.1", nil, true),
            ("127.0.0.1:9100", nil, true), ("[::1]:9100", nil, true), ("[::1]", nil, true),
            (nil, nil, false), ("", nil, false), ("example.com:9100", nil, false), ("10.0.0.1:9100", nil, false),
            ("localhost.example.com", nil, false), ("127.0.0.1.example.com:80", nil, false),
            ("[2001:db8::1]", nil, false),
            ("localhost:x", nil, false), ("localhost:9100", "http://example.com", false),
            ("127.0.0.1", "null", false), ("127.0.0.1:9100", "http://127.0.0.1:9100", false),
        ] as [(String?, String?, Bool)])
    func browsers(host: String?, origin: String?, isServed: Bool) throws {
        guard !isServed else { return try BrowserGuard.check(host: host, origin: origin) }
        let error = try #require(throws: APIError.self) { try BrowserGuard.check(host: host, origin: origin) }
        #expect(error.code == .forbidden)
    }

    @Test("on loopback the API is served over TCP, to who is no web page", arguments: ["127.0.0.1", "::1"])
    func loopback(host: String) async throws {
        let loopback = try #require(IPAddress(host))
        let address = ListenAddress(port: 0, address: loopback)
        let listener = try await APIListener(try ListenPlan(address, nil), of: MemoryBalancer())
        let name = host.contains(":") ? "[\(host)]" : host
        let url = "http://\(name):\(try #require(listener.port))/v1/mode"
        for (headers, status): ([(String, String)], UInt) in [
            ([], 200), ([("Host", "rebound.example.com")], 403), ([("Origin", "http://\(name)")], 403),
        ] {
            var request = HTTPClientRequest(url: url)
            for (name, value) in headers { request.headers.add(name: name, value: value) }
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
            let body = try await response.body.collect(upTo: 1 << 16)
            #expect(response.status.code == status, "\(headers)")
            if status == 403 {
                let error = try JSON.report(ErrorReport.self, from: Data(body.readableBytesView)).error
                #expect(error.code == .forbidden)
            }
        }
        await listener.stop()
    }

    @Test("a port that is taken is an error in words") func taken() async throws {
        let loopback = try #require(IPAddress("127.0.0.1"))
        let first = try await APIListener(
            try ListenPlan(.init(port: 0, address: loopback), nil), of: MemoryBalancer())
        let port = UInt16(try #require(first.port))
        let error = await #expect(throws: APIError.self) {
            _ = try await APIListener(try ListenPlan(.init(port: port, address: loopback), nil), of: MemoryBalancer())
        }
        #expect(error?.message.hasPrefix("--listen: cannot listen at 127.0.0.1:\(port): ") == true)
        await first.stop()
    }
}
