import Addresses
import CDataplane
import Testing

@testable import Balancer

@Suite struct SourceAddressTests {
    private func contents(_ addresses: String, host: Set<IPAddress>) throws -> MapContents {
        var network = Network()
        network.sources = try SourceAddresses(snat: addresses, rss4: nil, rss6: nil)
        network.hostAddresses = host
        return try Plan(network.input(DesiredState(mode: .snat)), indices: BackendIndices(capacity: 4)).contents
    }

    @Test("each family's SNAT addresses have places of their own, and pass the filter")
    func places() throws {
        let all: [IPAddress] = ["20.1.1.1", "20.1.1.2", "2001:db8::1"]
        let contents = try contents("20.1.1.1,2001:db8::1,20.1.1.2", host: Set(all))
        #expect(contents.snatAddresses.mapValues(\.raw.address) == [0: all[0], 1: all[1], 256: all[2]])
        #expect(all.allSatisfy(contents.filter.has))
    }

    @Test("an address that the host has lost gives its place to the others, as long as there is one")
    func lost() throws {
        let (a, b): (IPAddress, IPAddress) = ("20.1.1.1", "20.1.1.2")
        let one = try contents("20.1.1.1,20.1.1.2", host: [b])
        #expect(one.snatAddresses.mapValues(\.raw.address) == [0: b, 1: b])
        #expect(!one.filter.has(a))
        let none = try contents("20.1.1.1,20.1.1.2", host: [])
        #expect(none.snatAddresses.mapValues(\.raw.address) == [0: a, 1: b])
    }

    @Test("the program's constants: how many addresses of each family, and the prefixes with the bits left open")
    func constants() throws {
        var config = l4lb_config()
        config.set(
            try SourceAddresses(
                snat: "20.1.1.1,2001:db8::1,20.1.1.2", rss4: "10.10.0.0/16", rss6: "2001:db8:1:2::/64"))
        #expect((config.snat_address_count, config.snat_address_count6) == (2, 1))
        #expect(bytes(config.rss_address) == [10, 10, 0, 0])
        #expect(bytes(config.rss_mask) == [0, 0, 255, 255])
        let zeros = [UInt8](repeating: 0, count: 8)
        #expect(bytes(config.rss_address6) == [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2] + zeros)
        #expect(bytes(config.rss_mask6) == zeros + [UInt8](repeating: 255, count: 8))
        var plain = l4lb_config()
        plain.set(SourceAddresses())
        #expect(bytes(plain).allSatisfy { $0 == 0 })
    }

    @Test("a backend has the ports of all addresses of its family, or of the one that the route gives")
    func count() throws {
        let sources = try SourceAddresses(snat: "20.1.1.1,20.1.1.2", rss4: nil, rss6: nil)
        #expect(sources.snatCount(towards: "20.1.1.10") == 2)
        #expect(sources.snatCount(towards: "2001:db8::10") == 1)
    }

    @Test("the fullest backends come first, as full as they are of what they have")
    func headroom() throws {
        var slots: [UInt32: l4lb_flow] = [:]
        /// `count` SNAT connections to a backend; some of them ended long ago.
        func connect(_ backend: Endpoint, _ transport: TransportProtocol = .tcp, count: Int, ended: Int = 0) {
            for number in 0..<count + ended {
                let place = l4lb_flow.records + UInt32(slots.count + 8)
                let stamp: UInt32 = number < count ? 100_000 : 0
                slots[place] = .slot(
                    L4LB_FLOW_REPLY, from: backend, to: Endpoint("20.1.1.1:\(20000 + number)")!, transport,
                    stamp: stamp, nat: "10.0.0.1:1000")
            }
        }
        connect("20.1.1.10:80", count: 3, ended: 5)
        connect("20.1.1.20:80", count: 5)
        connect("20.1.1.20:80", .udp, count: 1, ended: 1)
        connect("20.1.1.30:80", count: 0, ended: 2)
        let snapshot = FlowSnapshot(slots, now: 100_000)
        let sources = try SourceAddresses(snat: "20.1.1.1,20.1.1.2", rss4: nil, rss6: nil)
        #expect(
            snapshot.snatPortUse(ports: 1000, sources: sources) == [
                SNATPortUse(backend: "20.1.1.20:80", transport: .tcp, inUse: 5, available: 2000),
                SNATPortUse(backend: "20.1.1.10:80", transport: .tcp, inUse: 3, available: 2000),
                SNATPortUse(backend: "20.1.1.20:80", transport: .udp, inUse: 1, available: 2000),
            ])
        slots = [:]
        for number in 1...12 { connect(Endpoint("20.1.1.\(number):80")!, count: number) }
        let fullest = FlowSnapshot(slots, now: 100_000).snatPortUse(ports: 1000, sources: SourceAddresses())
        #expect(fullest.map(\.inUse) == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3])
    }
}
