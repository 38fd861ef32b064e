import Addresses
import Testing

@Suite struct IPv4AddressTests {
    @Test(
        "an IPv4 address is four numbers from 0 to 255, and is written as it was read",
        arguments: [
            ("0.0.0.0", 0), ("10.0.0.1", 0x0a00_0001), ("40.1.1.1", 0x2801_0101), ("255.255.255.255", 0xffff_ffff),
            ("192.0.2.130", 0xc000_0282),
        ] as [(String, UInt32)])
    func reads(text: String, value: UInt32) throws {
        let address = try #require(IPv4Address(text))
        #expect(address.value == value)
        #expect(address.description == text)
    }

    @Test(
        "what only looks like an IPv4 address is refused",
        arguments: [
            "", " ", "10", "10.0.0", "10.0.0.1.1", "10.0.0.256", "10.0.0.1000", "300.2.3.4", "010.0.0.1", "10.0.0.00",
            "10.0.0.01", " 10.0.0.1", "10.0.0.1 ", "10. 0.0.1", "10..0.1", ".10.0.0.1", "10.0.0.1.", "+1.0.0.1",
            "-1.0.0.1", "0x0a.0.0.1", "a.b.c.d", "10.0.0.1\n", "10.0.0.1/32", "10.0.0.1:80", "10,0,0,1", "١.0.0.1",
            "10.0.0.1\0", "10.0.0.99999999999999999999",
        ])
    func refuses(text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test("addresses are ordered by number, not by text")
    func order() throws {
        #expect(try #require(IPv4Address("9.0.0.1")) < #require(IPv4Address("10.0.0.1")))
        #expect(try #require(IPv4Address("10.0.0.255")) < #require(IPv4Address("10.0.1.0")))
    }

    @Test(
        "the ranges that are no host's address are known, to their last address",
        arguments: [
            ("0.0.0.0", "unspecified"), ("0.255.255.255", "unspecified"), ("1.0.0.0", ""),
            ("126.255.255.255", ""), ("127.0.0.1", "loopback"), ("127.255.255.255", "loopback"), ("128.0.0.0", ""),
            ("223.255.255.255", ""), ("224.0.0.0", "multicast"), ("239.255.255.255", "multicast"),
            ("240.0.0.0", "reserved"), ("255.255.255.255", "reserved"),
        ])
    func ranges(text: String, range: String) throws {
        let address = try #require(IPv4Address(text))
        #expect(address.isUnspecified == (range == "unspecified"))
        #expect(address.isLoopback == (range == "loopback"))
        #expect(address.isMulticast == (range == "multicast"))
        #expect(address.isReserved == (range == "reserved"))
    }
}

@Suite struct IPv6AddressTests {
    @Test(
        "an IPv6 address is written in the form of RFC 5952",
        arguments: [
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("0:0:0:0:0:0:0:0", "::"), ("2001:db8::1", "2001:db8::1"),
            ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"), ("2001:DB8::ABCD", "2001:db8::abcd"),
            // One zero group is not shortened (4.2.2), the longest run is (4.2.3), the first of two equal ones.
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"), ("0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("::ffff:192.0.2.1", "::ffff:c000:201"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"), ("::1.2.3.4", "::102:304"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ])
    func reads(text: String, canonical: String) throws {
        let address = try #require(IPv6Address(text))
        #expect(address.description == canonical)
        #expect(IPv6Address(canonical) == address)
    }

    @Test("the numbers are the address's bytes in order")
    func halves() {
        #expect(
            IPv6Address("2001:db8:1:2:3:4:5:6") == IPv6Address(high: 0x2001_0db8_0001_0002, low: 0x0003_0004_0005_0006))
    }

    @Test(
        "what only looks like an IPv6 address is refused",
        arguments: [
            "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "1:::2", ":1", "1:", ":1::2", "1::2:",
            "1:2:3:4::5:6:7:8", "::1:2:3:4:5:6:7:8", "12345::", "g::", "+1::", "-1::", " ::1", "::1 ", "fe80::1%eth0",
            "[::1]", "::1/128", "1.2.3.4", "::1.2.3", "::1.2.3.256", "::01.2.3.4", "1.2.3.4::", "::1.2.3.4:5",
            "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:1.2.3.4", "::ffff:0:0:0:0:0:0:1.2.3.4", "::\0", "::1\n",
        ])
    func refuses(text: String) {
        #expect(IPv6Address(text) == nil)
    }

    @Test("addresses are ordered by number")
    func order() throws {
        #expect(try #require(IPv6Address("::2")) < #require(IPv6Address("::10")))
        #expect(try #require(IPv6Address("1::ffff")) < #require(IPv6Address("2::")))
    }
}

@Suite struct IPAddressTests {
    @Test("an address is of the family that its text has, and IPv4 comes first")
    func families() throws {
        #expect(IPAddress("10.0.0.1") == .v4(IPv4Address(value: 0x0a00_0001)))
        #expect(IPAddress("::1") == .v6(IPv6Address(high: 0, low: 1)))
        #expect(IPAddress("localhost") == nil)
        #expect(try #require(IPAddress("255.255.255.255")) < #require(IPAddress("::")))
        #expect(["10.0.0.1", "fd00::1"].compactMap { IPAddress($0)?.description } == ["10.0.0.1", "fd00::1"])
    }
}

@Suite struct LinkAddressTests {
    @Test(
        "a link address is six octets, written in lower case",
        arguments: [
            ("02:00:00:00:00:01", 0x0200_0000_0001, "02:00:00:00:00:01"),
            ("FF:FF:FF:FF:FF:FF", 0xffff_ffff_ffff, "ff:ff:ff:ff:ff:ff"),
            ("00:00:00:00:00:00", 0, "00:00:00:00:00:00"), ("0a:1B:c2:d3:e4:f5", 0x0a1b_c2d3_e4f5, "0a:1b:c2:d3:e4:f5"),
        ] as [(String, UInt64, String)])
    func reads(text: String, value: UInt64, canonical: String) throws {
        let address = try #require(LinkAddress(text))
        #expect(address.value == value)
        #expect(address.description == canonical)
        #expect(LinkAddress(octets: address.octets) == address)
    }

    @Test(
        "what only looks like a link address is refused",
        arguments: [
            "", "02:00:00:00:00", "02:00:00:00:00:01:02", "2:0:0:0:0:1", "02-00-00-00-00-01", "020000000001",
            "02:00:00:00:00:0g", "02:00:00:00:00:+1", "02:00:00:00:00:-0", "02:00:00:00:00: 1", "02:00:00:00:00:01 ",
            "02:00:00:00:00:", ":02:00:00:00:00:01",
        ])
    func refuses(text: String) {
        #expect(LinkAddress(text) == nil)
    }

    @Test("only six octets are a link address")
    func octets() {
        #expect(LinkAddress(octets: [2, 0, 0, 0, 0]) == nil)
        #expect(LinkAddress(octets: [2, 0, 0, 0, 0, 1, 0]) == nil)
        #expect(LinkAddress(octets: [2, 0, 0, 0, 0, 1])?.octets == [2, 0, 0, 0, 0, 1])
        #expect(LinkAddress(value: 0xffff_0200_0000_0001) == LinkAddress("02:00:00:00:00:01"))
        #expect(LinkAddress.zero.octets == [0, 0, 0, 0, 0, 0])
    }
}
