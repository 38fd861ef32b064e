import Balancer
import Testing

@Suite struct SNATPortsTests {
    @Test(
        "the kernel's lists of ports are read",
        arguments: [
            ("", []), ("\n", []), ("8080", [8080...8080]), ("8080,9100-9200\n", [8080...8080, 9100...9200]),
            ("32768-60999", [32768...60999]), ("0-65535", [0...65535]), (" 1 , 2-3\t4 ", [1...1, 2...3, 4...4]),
        ] as [(String, [ClosedRange<UInt16>])])
    func lists(text: String, ranges: [ClosedRange<UInt16>]) {
        #expect(SNATPorts.ranges(text) == ranges)
    }

    @Test(
        "what is no port or range of ports is left out, not read as another one",
        arguments: [
            "-", "-5", "5-", "5-4", "1-2-3", "65536", "1-65536", "20000-x", "x-20000", "+5", "0x10", "1--2", "１",
        ])
    func noRanges(text: String) {
        #expect(SNATPorts.ranges(text).isEmpty)
        #expect(SNATPorts.ranges("7,\(text),9") == [7...7, 9...9])
    }

    @Test("SNAT uses all ports from 1024 that are neither ephemeral nor reserved")
    func defaults() throws {
        let ports = try SNATPorts(
            ephemeral: 32768...60999, reserved: [1024...1024, 8080...8081, 65535...65535, 80...80]
        ).ports
        #expect(ports.first == 1025)
        #expect(ports.last == 65534)
        #expect(ports.count == 64512 - 28232 - 4)
        #expect(ports == ports.sorted())
        for port: UInt16 in [80, 1023, 8080, 8081, 32768, 60999] { #expect(!ports.contains(port)) }
        for port: UInt16 in [8079, 8082, 32767, 61000] { #expect(ports.contains(port)) }
    }

    @Test("a host that hands out no ports leaves them all")
    func all() throws {
        #expect(try SNATPorts(ephemeral: nil, reserved: []).ports == Array(1024...65535))
        #expect(try SNATPorts(allowed: 1...65535, ephemeral: nil, reserved: []).ports.count == 65535)
    }

    @Test("a thousand ports are the fewest")
    func fewest() throws {
        #expect(try SNATPorts(allowed: 2000...2999, ephemeral: nil, reserved: []).ports.count == 1000)
        #expect(
            throws: BalancerError.refused(
                "only 999 ports are left for SNAT, 1000 are the fewest: narrow net.ipv4.ip_local_port_range, or give --snat-port-range"
            )
        ) { _ = try SNATPorts(allowed: 2000...2999, ephemeral: nil, reserved: [2500...2500]) }
        #expect(throws: BalancerError.self) { _ = try SNATPorts(ephemeral: 1024...65535, reserved: []) }
    }

    @Test("the map holds the ports in network byte order, filled up with zeros")
    func networkOrder() throws {
        let map = try SNATPorts(allowed: 1024...65535, ephemeral: nil, reserved: []).networkOrder
        #expect(map.count == 65536)
        #expect(map[0] == UInt16(1024).bigEndian)
        #expect(map[64511] == .max)
        #expect(map[64512...].allSatisfy { $0 == 0 })
    }
}
