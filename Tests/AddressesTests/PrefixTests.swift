import Addresses
import Testing

@Suite struct IPPrefixTests {
    @Test(
        "a prefix is written as it was read, and an address alone is a host",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("0.0.0.0/0", "0.0.0.0/0"), ("10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.1/32", "10.0.0.1/32"), ("10.0.0.2/31", "10.0.0.2/31"), ("128.0.0.0/1", "128.0.0.0/1"),
            ("2001:db8::/32", "2001:db8::/32"), ("::/0", "::/0"), ("2001:DB8::1", "2001:db8::1/128"),
            ("8000::/1", "8000::/1"), ("2001:db8::8000:0:0:0/65", "2001:db8:0:0:8000::/65"),
            ("2001:db8:0:1::/64", "2001:db8:0:1::/64"), ("2001:db8::2/127", "2001:db8::2/127"),
        ])
    func reads(text: String, canonical: String) throws {
        #expect(try #require(IPPrefix(text)).description == canonical)
    }

    @Test(
        "a prefix with bits beyond its length, or no length of its family, is refused",
        arguments: [
            "10.0.0.1/8", "10.0.0.1/31", "0.0.0.1/0", "128.0.0.0/0", "10.0.0.0/33", "10.0.0.0/256", "10.0.0.0/",
            "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8/8", "/8", "", "10.0.0/8",
            "10.0.0.0/255.0.0.0", "2001:db8::1/32", "2001:db8:0:1::/63", "2001:db8::1/127", "::1/0", "::/129",
            "::/256", "::/", "[::]/0", "2001:db8::/032",
        ])
    func refuses(text: String) {
        #expect(IPPrefix(text) == nil)
    }

    @Test("a length beyond the family's bits is no prefix")
    func length() throws {
        #expect(IPPrefix(.v4(IPv4Address(value: 0)), length: 33) == nil)
        #expect(IPPrefix(.v4(IPv4Address(value: 0)), length: 128) == nil)
        #expect(IPPrefix(.v6(IPv6Address(high: 0, low: 0)), length: 129) == nil)
    }

    @Test(
        "a prefix contains its first and last address and not the ones beside them",
        arguments: [
            ("10.1.0.0/16", "10.1.0.0", true), ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.0.255.255", false), ("10.1.0.0/16", "10.2.0.0", false),
            ("0.0.0.0/0", "255.255.255.255", true), ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.0", false), ("10.0.0.1/32", "10.0.0.2", false),
            ("2001:db8::/32", "2001:db8::", true), ("2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db8::/32", "2001:db7:ffff::", false), ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8:0:1::/64", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::/64", "2001:db8:0:2::", false), ("2001:db8::/96", "2001:db8::1:0:0", false),
            ("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true), ("::/0", "10.0.0.1", false),
            ("0.0.0.0/0", "::", false), ("::1/128", "::1", true), ("::1/128", "::", false),
        ])
    func contains(prefix: String, address: String, expected: Bool) throws {
        #expect(try #require(IPPrefix(prefix)).contains(#require(IPAddress(address))) == expected)
    }

    @Test(
        "the bits that a prefix leaves open",
        arguments: [
            ("10.0.0.0/8", "0.255.255.255"), ("0.0.0.0/0", "255.255.255.255"), ("10.0.0.1/32", "0.0.0.0"),
            ("2001:db8::/32", "0:0:ffff:ffff:ffff:ffff:ffff:ffff"), ("2001:db8::/64", "::ffff:ffff:ffff:ffff"),
            ("2001:db8::/96", "::ffff:ffff"), ("::1/128", "::"),
        ])
    func hostMask(prefix: String, mask: String) throws {
        #expect(try #require(IPPrefix(prefix)).hostMask == IPAddress(mask))
    }

    @Test("prefixes are ordered by address, the wider one first")
    func order() throws {
        let sorted = ["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "2001:db8::/32"]
        #expect(try sorted.reversed().map { try #require(IPPrefix($0)) }.sorted().map(\.description) == sorted)
    }
}
