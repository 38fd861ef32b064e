import Addresses
import Testing

@Suite struct EndpointTests {
    @Test(
        "an endpoint is written as it was read",
        arguments: ["20.1.1.10:80", "0.0.0.0:1", "255.255.255.255:65535", "[2001:db8::1]:80", "[::]:53"])
    func reads(text: String) throws {
        #expect(try #require(Endpoint(text)).description == text)
    }

    @Test("an endpoint has its address and port")
    func parts() {
        #expect(Endpoint("20.1.1.10:8080") == Endpoint(IPAddress("20.1.1.10")!, port: 8080))
        #expect(Endpoint("[2001:DB8:0::1]:443") == Endpoint(IPAddress("2001:db8::1")!, port: 443))
        #expect(Endpoint("[::ffff:192.0.2.1]:80")?.address == IPAddress("::ffff:192.0.2.1"))
    }

    @Test(
        "what only looks like an endpoint is refused",
        arguments: [
            "", ":", ":80", "20.1.1.10", "20.1.1.10:", "20.1.1.10:0", "20.1.1.10:65536", "20.1.1.10:99999999999",
            "20.1.1.10:080", "20.1.1.10:+80", "20.1.1.10:-80", "20.1.1.10: 80", "20.1.1.10 :80", " 20.1.1.10:80",
            "20.1.1.10:80 ", "20.1.1.10:http", "20.1.1.10:80:80", "20.1.1.10:80/tcp", "300.2.3.4:80", "host:80",
            "[20.1.1.10]:80", "2001:db8::1:80", "::1", "[2001:db8::1]", "[2001:db8::1]:", "[2001:db8::1]:0",
            "[2001:db8::1]:65536", "[2001:db8::1]80", "[2001:db8::1:80", "2001:db8::1]:80", "[]:80", "[:80", "]:80",
            "[[::1]]:80", "[fe80::1%eth0]:80", "*:80",
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

@Suite struct IPv4PrefixTests {
    @Test(
        "a prefix is written as it was read, and an address alone is a host",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("0.0.0.0/0", "0.0.0.0/0"), ("10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.1/32", "10.0.0.1/32"), ("10.0.0.2/31", "10.0.0.2/31"), ("128.0.0.0/1", "128.0.0.0/1"),
        ])
    func reads(text: String, canonical: String) throws {
        #expect(try #require(IPv4Prefix(text)).description == canonical)
    }

    @Test(
        "a prefix with bits beyond its length, or no length from 0 to 32, is refused",
        arguments: [
            "10.0.0.1/8", "10.0.0.1/31", "0.0.0.1/0", "128.0.0.0/0", "10.0.0.0/33", "10.0.0.0/256", "10.0.0.0/",
            "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8/8", "/8", "", "10.0.0/8",
            "10.0.0.0/255.0.0.0", "2001:db8::/32",
        ])
    func refuses(text: String) {
        #expect(IPv4Prefix(text) == nil)
    }

    @Test("a length over 32 is no prefix")
    func length() {
        #expect(IPv4Prefix(IPv4Address(value: 0), length: 33) == nil)
        #expect(IPv4Prefix(IPv4Address(value: 0), length: 255) == nil)
    }

    @Test(
        "a prefix contains its first and last address and not the ones beside them",
        arguments: [
            ("10.1.0.0/16", "10.1.0.0", true), ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.0.255.255", false), ("10.1.0.0/16", "10.2.0.0", false),
            ("0.0.0.0/0", "255.255.255.255", true), ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.0", false), ("10.0.0.1/32", "10.0.0.2", false),
        ])
    func contains(prefix: String, address: String, expected: Bool) throws {
        #expect(try #require(IPv4Prefix(prefix)).contains(#require(IPv4Address(address))) == expected)
    }

    @Test("prefixes are ordered by address, the wider one first")
    func order() throws {
        let sorted = ["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16"]
        #expect(try sorted.reversed().map { try #require(IPv4Prefix($0)) }.sorted().map(\.description) == sorted)
    }
}
