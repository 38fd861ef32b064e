import Addresses
import Testing

@testable import Netlink

@Suite struct ParsingTests {
    @Test("a link has its name, address, MTU, carrier and XDP program")
    func link() throws {
        let link = try #require(
            try Link(
                only(
                    """
                    5c000000 1000 0000 01000000 00000000  # RTM_NEWLINK
                    00 00 0100 05000000 43100100 00000000 # ifinfomsg: ARPHRD_ETHER, index 5, IFF_UP and more
                    0900 0300 65746830 00 000000          # IFLA_IFNAME "eth0"
                    0800 0400 dc050000                    # IFLA_MTU 1500
                    0a00 0100 020000000001 0000           # IFLA_ADDRESS
                    0500 2100 01 000000                   # IFLA_CARRIER
                    1400 2b80                             # IFLA_XDP, nested
                      0500 0200 01 000000                 #   IFLA_XDP_ATTACHED: native
                      0800 0400 2a000000                  #   IFLA_XDP_PROG_ID 42
                    """)))
        #expect(
            link
                == Link(
                    index: 5, name: "eth0", address: LinkAddress("02:00:00:00:00:01"), mtu: 1500, isUp: true,
                    hasCarrier: true, xdpProgramID: 42, xdpIsNative: true, hasXDP: true))
    }

    @Test("a veth says where its other end is, in this network namespace or another", arguments: [true, false])
    func veth(isElsewhere: Bool) throws {
        let namespace = isElsewhere ? "0800 2500 00000000" : "0800 0400 dc050000"
        let link = try #require(
            try Link(
                only(
                    """
                    54000000 1000 0000 01000000 00000000
                    00 00 0100 05000000 43100100 00000000
                    0900 0300 65746830 00 000000          # "eth0"
                    0800 0500 09000000                    # IFLA_LINK 9
                    0800 2000 02000000                    # IFLA_NUM_RX_QUEUES 2
                    \(namespace)                          # IFLA_LINK_NETNSID 0, or an MTU
                    1000 1280                             # IFLA_LINKINFO, nested
                      0900 0100 76657468 00 000000        #   IFLA_INFO_KIND "veth"
                    """)))
        #expect(link.kind == "veth" && link.peer == 9 && link.receiveQueues == 2)
        #expect(link.peerIsElsewhere == isElsewhere)
    }

    @Test("a link that is down, without an Ethernet address and without a program, says so")
    func bareLink() throws {
        let link = try #require(
            try Link(
                only(
                    """
                    40000000 1000 0000 01000000 00000000
                    00 00 feff 07000000 90000000 00000000 # index 7, IFF_POINTOPOINT | IFF_NOARP
                    0900 0300 74756e30 00 000000          # "tun0"
                    0800 0100 0a000001                    # an address of four bytes
                    0c00 2b80 0500 0200 00 000000         # IFLA_XDP: none attached
                    """)))
        #expect(!link.isUp && !link.hasCarrier)
        #expect(link.address == nil && link.xdpProgramID == nil)
    }

    @Test("a bridge port's second announcement is no link")
    func bridgePort() throws {
        #expect(
            try Link(
                only(
                    """
                    2c000000 1000 0000 01000000 00000000
                    07 00 0100 05000000 43100100 00000000 # AF_BRIDGE
                    0900 0300 65746830 00 000000
                    """)) == nil)
    }

    @Test("an IPv4 neighbour has its link address and state")
    func neighbour() throws {
        let neighbour = try #require(
            try Neighbour(
                only(
                    """
                    30000000 1c00 0200 01000000 00000000  # RTM_NEWNEIGH
                    02 00 0000 03000000 0200 00 01        # AF_INET, interface 3, NUD_REACHABLE
                    0800 0100 14010 10a                   # NDA_DST 20.1.1.10
                    0a00 0200 02000000000a 0000           # NDA_LLADDR
                    """)))
        #expect(neighbour.interface == 3)
        #expect(neighbour.address == IPAddress("20.1.1.10"))
        #expect(neighbour.linkAddress == LinkAddress("02:00:00:00:00:0a"))
        #expect(neighbour.state == .reachable)
        #expect(neighbour.isUsable && !neighbour.isManaged)
    }

    @Test("an IPv6 neighbour that the kernel keeps fresh is known as managed")
    func neighbour6() throws {
        let neighbour = try #require(
            try Neighbour(
                only(
                    """
                    44000000 1c00 0200 01000000 00000000
                    0a 00 0000 03000000 0400 80 01             # AF_INET6, NUD_STALE, NTF_ROUTER
                    1400 0100 fd000001000000000000000000000002 # NDA_DST fd00:1::2
                    0a00 0200 02000000000b 0000
                    0800 0f00 01000000                         # NDA_FLAGS_EXT: NTF_EXT_MANAGED
                    """)))
        #expect(neighbour.address == IPAddress("fd00:1::2"))
        #expect(neighbour.state == .stale)
        #expect(neighbour.isUsable && neighbour.isManaged)
    }

    @Test("a neighbour without a link address is not usable")
    func unanswered() throws {
        let neighbour = try #require(
            try Neighbour(
                only(
                    """
                    24000000 1c00 0200 01000000 00000000
                    02 00 0000 03000000 0100 00 01        # NUD_INCOMPLETE
                    0800 0100 0a000002
                    """)))
        #expect(neighbour.linkAddress == nil)
        #expect(!neighbour.isUsable)
    }

    @Test(
        "a link address counts in every state but incomplete, failed and none",
        arguments: [
            (.reachable, true), (.stale, true), (.delay, true), (.probe, true), (.permanent, true),
            (.noARP, true), (.incomplete, false), (.failed, false), ([], false),
        ] as [(Neighbour.State, Bool)])
    func usable(state: Neighbour.State, expected: Bool) {
        let neighbour = Neighbour(
            interface: 1, address: IPAddress("10.0.0.1")!, linkAddress: LinkAddress("02:00:00:00:00:01"),
            state: state, isManaged: false, isLearnedElsewhere: false)
        #expect(neighbour.isUsable == expected)
    }

    @Test(
        "what is no neighbour of an IP address is passed over",
        arguments: [
            "28000000 1c00 0200 01000000 00000000 07000000 03000000 80000001 0a000200 02000000000a0000",  // AF_BRIDGE
            "24000000 1c00 0200 01000000 00000000 02000000 03000000 00000801 08000100 0a000002",  // NTF_PROXY
            "24000000 1d00 0200 01000000 00000000 02000000 03000000 02000001 08000100 0a000002",  // RTM_DELNEIGH
            "24000000 1c00 0200 01000000 00000000 02000000 03000000 02000001 07000100 0a000000",  // three bytes
        ])
    func noNeighbour(listing: String) throws {
        #expect(try Neighbour(only(listing)) == nil)
    }

    @Test("a message shorter than its fixed part is refused")
    func short() throws {
        let message = try only("18000000 1c00 0200 01000000 00000000 02000000 03000000")
        #expect(throws: MalformedMessage("8 bytes for ndmsg")) { try Neighbour(message) }
    }

    @Test("the address of a point-to-point link is the local one, not the peer's")
    func pointToPoint() throws {
        #expect(
            try InterfaceAddress(
                only(
                    """
                    28000000 1400 0200 01000000 00000000  # RTM_NEWADDR
                    02 20 80 00 04000000                  # AF_INET, /32, permanent, global, interface 4
                    0800 0100 0a000002                    # IFA_ADDRESS: the peer's
                    0800 0200 0a000001                    # IFA_LOCAL
                    """))
                == InterfaceAddress(
                    interface: 4, address: IPAddress("10.0.0.1")!, prefixLength: 32, isGlobalScope: true))
    }

    @Test("a link-local IPv6 address is not of global scope")
    func linkLocal() throws {
        #expect(
            try InterfaceAddress(
                only(
                    """
                    2c000000 1400 0200 01000000 00000000
                    0a 40 80 fd 04000000                       # AF_INET6, /64, RT_SCOPE_LINK
                    1400 0100 fe800000000000000000000000000001 # IFA_ADDRESS
                    """))
                == InterfaceAddress(
                    interface: 4, address: IPAddress("fe80::1")!, prefixLength: 64, isGlobalScope: false))
    }

    @Test("a route has its gateway and preferred source")
    func route() throws {
        #expect(
            try Route(
                only(
                    """
                    3c000000 1800 0000 01000000 00000000  # RTM_NEWROUTE
                    02 20 00 00 fe 00 00 01 00020000      # AF_INET, /32, main table, RTN_UNICAST, RTM_F_CLONED
                    0800 0100 14010 10a                   # RTA_DST
                    0800 0400 03000000                    # RTA_OIF 3
                    0800 0700 0a000001                    # RTA_PREFSRC
                    0800 0500 0a0000fe                    # RTA_GATEWAY
                    """))
                == Route(
                    interface: 3, gateway: IPAddress("10.0.0.254"), source: IPAddress("10.0.0.1"), kind: .unicast))
    }

    @Test("an IPv4 route may go through an IPv6 gateway")
    func via() throws {
        let route = try #require(
            try Route(
                only(
                    """
                    3c000000 1800 0000 01000000 00000000
                    02 20 00 00 fe 00 00 01 00020000
                    0800 0400 03000000
                    1600 1200 0a00 fe80000000000000000000000000000 1 0000  # RTA_VIA: AF_INET6, fe80::1
                    """)))
        #expect(route.gateway == IPAddress("fe80::1"))
        #expect(route.source == nil)
    }

    @Test(
        "a route's kind is that of its type",
        arguments: [
            ("01", Route.Kind.unicast), ("02", .local), ("03", .other), ("06", .blackhole), ("07", .unreachable),
            ("08", .other),
        ])
    func kind(type: String, kind: Route.Kind) throws {
        let route = try Route(only("1c000000 1800 0000 01000000 00000000 02200000 fe0000\(type) 00000000"))
        #expect(route == Route(interface: nil, gateway: nil, source: nil, kind: kind))
    }

    @Test(
        "an announcement says which table changed",
        arguments: [
            ("1000", .links), ("1100", .links), ("1400", .addresses), ("1500", .addresses),
            ("1c00", .neighbours), ("1d00", .neighbours), ("1800", .routes), ("1900", .routes), ("2000", .routes),
            ("6800", .routes), ("0300", []),
        ] as [(String, NetlinkMonitor.Change)])
    func changes(type: String, change: NetlinkMonitor.Change) throws {
        let datagram = hex("10000000 \(type) 0000 00000000 00000000")
        #expect(try NetlinkMonitor.Change(datagram: datagram, "watch") == change)
    }

    @Test("errors name the thing and the cause")
    func errors() {
        #expect(NetlinkError.noSuchLink("eth7").description == "there is no network interface named eth7")
        #expect(NetlinkError.noSuchLink("").description == "there is no network interface named \"\"")
        #expect(
            NetlinkError.failed(action: "list the neighbours", errno: 1, detail: nil).description
                == "cannot list the neighbours: Operation not permitted")
        #expect(
            NetlinkError.failed(action: "ask", errno: 22, detail: "Invalid prefix").description
                == "cannot ask: Invalid argument (Invalid prefix)")
        #expect(NetlinkError.noSuchLink("eth7").errno == 19)
    }

    @Test("addresses of both families survive the way to bytes and back", arguments: ["20.1.1.10", "fd00:1::ff"])
    func octets(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(IPAddress(octets: address.octets[...]) == address)
    }
}
