import Addresses
import CDataplane
import Testing

@testable import Balancer

@Suite struct NetworkOrderTests {
    @Test(
        "an address of the maps has 16 bytes, IPv4 behind ::ffff:",
        arguments: [
            ("40.1.1.2", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 40, 1, 1, 2]),
            ("0.0.0.0", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]),
            ("2001:db8:1:2:3:4:5:6", [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]),
            ("::", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] as [(IPAddress, [UInt8])])
    func addresses(address: IPAddress, octets: [UInt8]) {
        #expect(bytes(l4lb_address(address)) == octets)
        #expect(l4lb_address(address).address == address)
    }
}
