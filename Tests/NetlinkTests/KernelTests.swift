import Addresses
import Foundation
import Testing

@testable import Netlink

/// Against the running kernel: `east` (10.1.0.1, fd00:1::1) is here, and its peer `west` (.2, ::2) is another host.
@Suite(.enabled(if: geteuid() == 0, "needs root"), .ownNetwork)
struct KernelTests {
    private let peer = NetworkNamespace()
    private let west = IPAddress("10.1.0.2")!
    private let west6 = IPAddress("fd00:1::2")!

    private func plug() async throws {
        let path = try await peer.run { try NetworkNamespace.currentPath() }
        try shell(
            """
            ip link add east address 02:00:00:00:01:01 mtu 1400 type veth peer west address 02:00:00:00:01:02 mtu 1400
            ip link set west netns \(path)
            echo 0 > /proc/sys/net/ipv6/conf/east/accept_dad
            ip address add 10.1.0.1/24 dev east
            ip address add fd00:1::1/64 dev east nodad
            ip link set lo up
            ip link set east up
            """)
        try await peer.run {
            try shell(
                """
                echo 0 > /proc/sys/net/ipv6/conf/west/accept_dad
                ip address add 10.1.0.2/24 dev west
                ip address add fd00:1::2/64 dev west nodad
                ip link set west up
                """)
        }
    }

    /// Waits until the neighbour is as it should be, ten seconds at most.
    private func neighbour(
        _ address: IPAddress, _ interface: Int32, until isRight: (Neighbour?) -> Bool
    ) throws -> Neighbour? {
        var netlink = try NetlinkSocket()
        for _ in 0..<1000 {
            let found = try netlink.neighbour(address, interface: interface)
            if isRight(found) { return found }
            usleep(10_000)
        }
        return try netlink.neighbour(address, interface: interface)
    }

    @Test("a link is found by its name, with its address and MTU, and among all links")
    func links() async throws {
        try await plug()
        var netlink = try NetlinkSocket()
        let link = try netlink.link(named: "east")
        #expect(link.name == "east")
        #expect(link.address == LinkAddress("02:00:00:00:01:01"))
        #expect(link.mtu == 1400)
        #expect(link.isUp && link.hasCarrier)
        #expect(link.xdpProgramID == nil)
        let links = try netlink.links()
        #expect(Set(links.map(\.name)).isSuperset(of: ["lo", "east"]))
        #expect(links.first { $0.name == "east" }?.index == link.index)

        try await peer.run { try shell("ip link set west down") }
        #expect(try !netlink.link(named: "east").hasCarrier)
        #expect(try netlink.link(named: "east").isUp)
    }

    @Test(
        "a link that is not there is named in the error",
        arguments: ["eth7", "", "a-name-of-sixteen", "lo\0"])
    func noLink(name: String) throws {
        var netlink = try NetlinkSocket()
        let error = try #require(throws: NetlinkError.self) { try netlink.link(named: name) }
        #expect(error == .noSuchLink(name))
    }

    @Test("the host's addresses of both families are listed")
    func addresses() async throws {
        try await plug()
        var netlink = try NetlinkSocket()
        let east = try netlink.link(named: "east").index
        let addresses = try netlink.addresses().filter { $0.interface == east }
        let global = addresses.filter(\.isGlobalScope)
        #expect(Set(global.map { "\($0.address)/\($0.prefixLength)" }) == ["10.1.0.1/24", "fd00:1::1/64"])
        #expect(try netlink.addresses().contains { $0.address == IPAddress("127.0.0.1") && !$0.isGlobalScope })
    }

    @Test("a neighbour of either family is learned when it is probed")
    func probe() async throws {
        try await plug()
        var netlink = try NetlinkSocket()
        let east = try netlink.link(named: "east").index
        for address in [west, west6] {
            #expect(try netlink.neighbour(address, interface: east) == nil)
            try netlink.probe(address, interface: east)
            let learned = try neighbour(address, east) { $0?.isUsable == true }
            #expect(learned?.linkAddress == LinkAddress("02:00:00:00:01:02"))
            #expect(learned?.isManaged == false)
            #expect(try netlink.neighbours().contains { $0.address == address && $0.isUsable })
        }
    }

    @Test("a neighbour that nobody answers for does not become usable")
    func nobody() async throws {
        try await plug()
        var netlink = try NetlinkSocket()
        let east = try netlink.link(named: "east").index
        let nobody = IPAddress("10.1.0.77")!
        try netlink.probe(nobody, interface: east)
        let known = try netlink.neighbour(nobody, interface: east)
        #expect(known?.state == .incomplete)
        #expect(known?.isUsable == false)
    }

    @Test("a managed neighbour is fresh, survives a probe, and is gone when it is no longer managed")
    func manage() async throws {
        try await plug()
        var netlink = try NetlinkSocket()
        let east = try netlink.link(named: "east").index
        for address in [west, west6] {
            #expect(try netlink.manage(address, interface: east))
            #expect(try !netlink.manage(address, interface: east))
            try netlink.probe(address, interface: east)
            let fresh = try neighbour(address, east) { $0?.isUsable == true }
            #expect(fresh?.isManaged == true && fresh?.isOurs == true)
            try netlink.unmanage(address, interface: east)
            #expect(try netlink.neighbour(address, interface: east) == nil)
            try netlink.unmanage(address, interface: east)
        }
        try shell("ip link delete east")
        try netlink.unmanage(west, interface: east)
    }

    @Test("the administrator's permanent neighbour stays as it is, whatever is asked")
    func permanent() async throws {
        try await plug()
        try shell("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:99 dev east nud permanent")
        var netlink = try NetlinkSocket()
        let east = try netlink.link(named: "east").index
        let before = try netlink.neighbour(west, interface: east)
        #expect(before?.state == .permanent)
        #expect(before?.isUsable == true)
        try netlink.probe(west, interface: east)
        #expect(try !netlink.manage(west, interface: east))
        try netlink.unmanage(west, interface: east)
        #expect(try netlink.neighbour(west, interface: east) == before)
    }

    @Test("a routing daemon's mark on a neighbour survives, and an ordinary neighbour is not removed")
    func foreign() async throws {
        try await plug()
        try shell("ip neigh add 10.1.0.2 lladdr 02:00:00:00:01:02 dev east nud reachable extern_learn")
        var netlink = try NetlinkSocket()
        let east = try netlink.link(named: "east").index
        try netlink.probe(west, interface: east)
        try netlink.unmanage(west, interface: east)
        #expect(try netlink.neighbour(west, interface: east)?.isLearnedElsewhere == true)
    }

    @Test("a probe on a link that is not there is an error that names the address")
    func probeNowhere() throws {
        var netlink = try NetlinkSocket()
        let error = try #require(throws: NetlinkError.self) { try netlink.probe(west, interface: 9999) }
        #expect(error.errno == ENODEV)
        #expect(error.description.contains("10.1.0.2"))
    }

    @Test("a question that is not answered ends with an error that says so, and the next one works")
    func silence() throws {
        var netlink = try NetlinkSocket(timeout: 1)
        // NLMSG_NOOP (1) without NLM_F_ACK: the kernel has nothing to say to this.
        let request = Neighbour.request(1, flags: 0, west, interface: 0)
        #expect(throws: NetlinkError.failed(action: "ask", errno: ETIMEDOUT, detail: "no answer within 1 s")) {
            try netlink.tell(request, "ask")
        }
        #expect(try netlink.link(named: "lo").index == 1)
    }

    @Test("a table larger than one datagram is read to its end")
    func manyNeighbours() async throws {
        try await plug()
        try shell(
            """
            seq 2000 | awk '{ printf "neigh add 10.1.%d.%d lladdr 02:00:00:00:00:09 dev east\\n", $1 / 200 + 1, \
            $1 % 200 + 1 }' | ip -batch -
            """)
        var netlink = try NetlinkSocket()
        #expect(try netlink.neighbours().count { $0.state == .permanent } == 2000)
    }

    @Test("the route to an address is the kernel's answer: gateway, preferred source, link")
    func routes() async throws {
        try await plug()
        try shell(
            """
            ip address add 10.1.0.5/24 dev east
            ip route add 20.1.0.0/16 via 10.1.0.2 src 10.1.0.5
            ip route add 20.2.0.0/16 via inet6 fd00:1::2 dev east
            ip -6 route add fd00:20::/32 via fd00:1::2
            """)
        var netlink = try NetlinkSocket()
        let east = try netlink.link(named: "east").index
        let lo = try netlink.link(named: "lo").index
        let expected: [(String, Route)] = [
            ("20.1.1.10", Route(interface: east, gateway: west, source: IPAddress("10.1.0.5"), kind: .unicast)),
            ("20.2.1.10", Route(interface: east, gateway: west6, source: IPAddress("10.1.0.1"), kind: .unicast)),
            ("10.1.0.9", Route(interface: east, gateway: nil, source: IPAddress("10.1.0.1"), kind: .unicast)),
            ("10.1.0.1", Route(interface: lo, gateway: nil, source: IPAddress("10.1.0.1"), kind: .local)),
            ("fd00:20::1", Route(interface: east, gateway: west6, source: IPAddress("fd00:1::1"), kind: .unicast)),
            ("fd00:1::9", Route(interface: east, gateway: nil, source: IPAddress("fd00:1::1"), kind: .unicast)),
        ]
        for (destination, route) in expected {
            #expect(try netlink.route(to: #require(IPAddress(destination))) == route, "\(destination)")
        }
    }

    @Test("where the kernel would not send, there is no route")
    func noRoute() async throws {
        try await plug()
        try shell(
            """
            for prefix in 30.1.0.0/16 fd00:30::/32; do ip route add unreachable $prefix; done
            for prefix in 30.2.0.0/16 fd00:31::/32; do ip route add blackhole $prefix; done
            for prefix in 30.3.0.0/16 fd00:32::/32; do ip route add prohibit $prefix; done
            """)
        var netlink = try NetlinkSocket()
        for text in [
            "30.1.0.1", "30.2.0.1", "30.3.0.1", "40.1.1.1", "fd00:30::1", "fd00:31::1", "fd00:32::1", "2001:db8::1",
        ] {
            #expect(try netlink.route(to: #require(IPAddress(text))) == nil, "\(text)")
        }
    }

    @Test("the monitor says what changed, and nothing when nothing did")
    func monitor() async throws {
        try await plug()
        try quiet()
        var monitor = try NetlinkMonitor()
        #expect(monitor.fileDescriptor >= 0)
        #expect(try monitor.drain() == [])
        let expected: [(String, NetlinkMonitor.Change)] = [
            ("ip neigh add 10.1.0.50 lladdr 02:00:00:00:00:50 dev east", .neighbours),
            ("ip route add 50.0.0.0/8 via 10.1.0.2", .routes),
            ("ip -6 route add fd00:50::/32 via fd00:1::2 dev east onlink", .routes),
            ("ip rule add from 10.9.9.9 table 77", .routes),
            ("ip nexthop add id 7 via 10.1.0.2 dev east", .routes),
            ("ip address add 10.1.0.60/24 dev east", .addresses),
            ("ip -6 address add fd00:1::60/64 dev east nodad", .addresses),
            ("ip link set east mtu 1399", .links),
        ]
        for (line, change) in expected {
            try shell(line)
            // IPv6 addresses are told of by a worker of the kernel's, a moment later.
            var seen = try monitor.drain()
            for _ in 0..<200 where !seen.contains(change) {
                try await Task.sleep(for: .milliseconds(10))
                seen.formUnion(try monitor.drain())
            }
            #expect(seen.contains(change), "\(line)")
            #expect(!seen.contains(.lost), "\(line)")
        }
    }

    @Test("a monitor that was told more than it holds says that something is lost, and works on")
    func lost() async throws {
        try await plug()
        var monitor = try NetlinkMonitor()
        try shell("seq 5000 | sed 's,.*,route add blackhole 60.0.0.0/8 metric &,' | ip -batch -")
        var seen: NetlinkMonitor.Change = []
        while case let change = try monitor.drain(), change != [] { seen.formUnion(change) }
        #expect(seen.isSuperset(of: [.lost, .routes]))
        try shell("ip link set east mtu 1399")
        #expect(try monitor.drain().contains(.links))
    }

    /// Waits until the kernel has said all about what was set up (router solicitations, carrier).
    private func quiet() throws {
        var monitor = try NetlinkMonitor()
        var calm = 0
        for _ in 0..<200 where calm < 30 {
            calm = try monitor.drain() == [] ? calm + 1 : 0
            usleep(10_000)
        }
    }
}
