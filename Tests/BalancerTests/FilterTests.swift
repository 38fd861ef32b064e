import Addresses
import Testing

@testable import Balancer

@Suite struct FilterTests {
    @Test(
        "an address has the bit that the XDP program looks at",
        arguments: [
            // The address as the packet holds it, read as a little-endian number, see abi.h.
            ("0.0.0.0", 0x0000),
            ("1.0.0.0", 0x9e37), ("0.0.0.1", 0x1ff3),
            // The last word of an IPv6 address is taken as it is, the others times a number of their own.
            ("::", 0x0000), ("::100:0", 0x9e37), ("::1", 0x1ff3), ("0:0:100::", 0xfb89),
            ("0:0:0:0:100::", 0x1893), ("2001:db8::1", 0x9912),
        ] as [(IPAddress, Int)])
    func bit(address: IPAddress, bit: Int) {
        var filter = Filter()
        #expect(!filter.has(address))
        filter.insert(address)
        #expect(filter.words[bit / 64] == 1 << UInt64(bit % 64))
        #expect(filter.bitCount == 1)
        #expect(filter.has(address))
    }

    @Test(
        "a frontend has a bit in the plane of services, one on all ports in a plane of its own",
        arguments: [
            ("40.1.1.1:80", 1, 0x5827), ("40.1.1.1:80/udp", 1, 0xfb04), ("40.1.1.1:81", 1, 0x20a8),
            ("[2001:db8::1]:80", 1, 0xd2c3), ("40.1.1.1:*", 2, 0xc638), ("40.1.1.1:*/udp", 2, 0xc638),
            ("[2001:db8::1]:*", 2, 0x9912),
        ] as [(Frontend, Int, Int)])
    func frontend(frontend: Frontend, plane: Int, bit: Int) {
        var filter = Filter()
        #expect(!filter.has(frontend))
        filter.insert(frontend)
        #expect(filter.words[plane * 1024 + bit / 64] == 1 << UInt64(bit % 64))
        #expect(filter.bitCount == 2)
        #expect(filter.has(frontend))
        #expect(filter.has(frontend.endpoint.address))
    }

    @Test("a union has what both have")
    func union() {
        var (one, other) = (Filter(), Filter())
        one.insert("40.1.1.1:80" as Frontend)
        other.insert("40.1.1.2:*" as Frontend)
        one.formUnion(other)
        #expect(one.has("40.1.1.1:80" as Frontend) && one.has("40.1.1.2:*" as Frontend))
        #expect(!other.has("40.1.1.1" as IPAddress))
    }

    @Test("addresses are spread, so that few strangers pass", arguments: ["40.1.0.0", "2001:db8::"] as [IPAddress])
    func spread(base: IPAddress) {
        var filter = Filter()
        for number in UInt32(0)..<1000 {
            switch base {
            case .v4(let first): filter.insert(.v4(IPv4Address(value: first.value + number)))
            case .v6(let first): filter.insert(.v6(IPv6Address(high: first.high, low: first.low + UInt64(number))))
            }
        }
        #expect(filter.bitCount > 900)
    }
}
