import Addresses
import Testing

@testable import Balancer

@Suite struct AddressFilterTests {
    @Test(
        "an address has the bit that the XDP program looks at",
        arguments: [
            // The address as the packet holds it, read as a little-endian number, times 0x9e3779b1, 16 bits down.
            ("0.0.0.0", 0), ("1.0.0.0", 0x9e37), ("0.0.0.1", 0xb100), ("40.1.1.1", 0x1ad5), ("255.255.255.255", 0x61c8),
        ] as [(IPv4Address, Int)])
    func bit(address: IPv4Address, bit: Int) {
        var filter = AddressFilter()
        #expect(!filter.has(address))
        filter.insert(address)
        #expect(filter.words[bit / 64] == 1 << UInt64(bit % 64))
        #expect(filter.bitCount == 1)
        #expect(filter.has(address))
    }

    @Test("a union has the addresses of both")
    func union() {
        var (one, other) = (AddressFilter(), AddressFilter())
        one.insert("40.1.1.1")
        other.insert("40.1.1.2")
        one.formUnion(other)
        #expect(one.has("40.1.1.1") && one.has("40.1.1.2"))
        #expect(!other.has("40.1.1.1"))
    }

    @Test("addresses are spread, so that few strangers pass")
    func spread() {
        var filter = AddressFilter()
        for number in 0..<1000 { filter.insert(IPv4Address(value: 0x2801_0100 + UInt32(number))) }
        #expect(filter.bitCount > 900)
    }
}
