import Addresses
import Testing

@Suite struct EndpointTests {
    @Test(
        "an endpoint is written as it was read",
        arguments: [
            "20.1.1.10:80", "0.0.0.0:1", "255.255.255.255:65535", "[2001:db8::1]:80", "[::]:53", "40.1.1.1:*",
            "[2001:db8::1]:*",
        ])
    func reads(text: String) throws {
        #expect(try #require(Endpoint(text)).description == text)
    }

    @Test("an endpoint has its address and port")
    func parts() {
        #expect(Endpoint("20.1.1.10:8080") == Endpoint(IPAddress("20.1.1.10")!, port: 8080))
        #expect(Endpoint("[2001:DB8:0::1]:443") == Endpoint(IPAddress("2001:db8::1")!, port: 443))
        #expect(Endpoint("[::ffff:192.0.2.1]:80")?.address == IPAddress("::ffff:192.0.2.1"))
    }

    @Test("a star stands for all ports")
    func allPorts() {
        #expect(Endpoint("40.1.1.1:*") == Endpoint(IPAddress("40.1.1.1")!, port: 0))
        #expect(Endpoint("40.1.1.1:*")?.isAllPorts == true)
        #expect(Endpoint("40.1.1.1:1")?.isAllPorts == false)
    }

    @Test(
        "what only looks like an endpoint is refused",
        arguments: [
            "", ":", ":80", "20.1.1.10", "20.1.1.10:", "20.1.1.10:0", "20.1.1.10:65536", "20.1.1.10:99999999999",
            "20.1.1.10:080", "20.1.1.10:+80", "20.1.1.10:-80", "20.1.1.10: 80", "20.1.1.10 :80", " 20.1.1.10:80",
            "20.1.1.10:80 ", "20.1.1.10:http", "20.1.1.10:80:80", "20.1.1.10:80/tcp", "300.2.3.4:80", "host:80",
            "[20.1.1.10]:80", "2001:db8::1:80", "::1", "[2001:db8::1]", "[2001:db8::1]:", "[2001:db8::1]:0",
            "[2001:db8::1]:65536", "[2001:db8::1]80", "[2001:db8::1:80", "2001:db8::1]:80", "[]:80", "[:80", "]:80",
            "[[::1]]:80", "[fe80::1%eth0]:80", "*:80", "*:*", "40.1.1.1:**", "40.1.1.1:*0", "40.1.1.1*",
            "[2001:db8::1]*",
        ])
    func refuses(text: String) {
        #expect(Endpoint(text) == nil)
    }

    @Test("endpoints are ordered by address, then by port")
    func order() throws {
        let sorted = ["9.0.0.1:80", "10.0.0.1:9", "10.0.0.1:80", "[::1]:1"]
        #expect(try sorted.reversed().map { try #require(Endpoint($0)) }.sorted().map(\.description) == sorted)
    }
}
