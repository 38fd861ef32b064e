import Addresses
import CMnl
import Glibc

/// A network interface.
public struct Link: Hashable, Sendable {
    /// The kernel's number for it, unique in its network namespace.
    public var index: Int32
    public var name: String
    /// Nil where the interface has none of Ethernet's length, such as a tunnel.
    public var address: LinkAddress?
    /// Bytes, without the link header.
    public var mtu: UInt32
    /// Whether it was set up (IFF_UP); frames pass only when it also has carrier.
    public var isUp: Bool
    public var hasCarrier: Bool
    /// The XDP program attached to it, nil where none is, or where several are in different modes.
    public var xdpProgramID: UInt32?
    /// Whether that one runs in the driver.
    public var xdpIsNative = false
    /// Whether any XDP program is attached, in whatever mode.
    public var hasXDP = false
    /// The kernel's name for the kind of a virtual device, such as `veth`; nil for others.
    public var kind: String?
    /// The other end of a veth, by its index in its own network namespace.
    public var peer: Int32?
    /// Whether that is another namespace than this link's.
    public var peerIsElsewhere = false
    /// Receive queues that the device may use.
    public var receiveQueues: UInt32?
}

extension Link {
    /// Nil where the message is about something else.
    init?(_ message: Message) throws(MalformedMessage) {
        guard Int(message.type) == RTM_NEWLINK else { return nil }
        let (header, attributes) = try message.parts(ifinfomsg.self)
        // Bridge ports are announced a second time under their own family.
        guard Int32(header.ifi_family) == AF_UNSPEC, let name = attributes[IFLA_IFNAME]?.text else { return nil }
        index = header.ifi_index
        self.name = name
        address = attributes[IFLA_ADDRESS].flatMap(LinkAddress.init(octets:))
        mtu = attributes[IFLA_MTU]?.number() ?? 0
        isUp = header.ifi_flags & UInt32(IFF_UP) != 0
        hasCarrier = attributes[IFLA_CARRIER]?.number(UInt8.self) == 1
        // The kernel writes a zero id for "none" in some modes.
        let xdp = try attributes.nested(IFLA_XDP)
        let program = xdp?[IFLA_XDP_PROG_ID]?.number(UInt32.self)
        xdpIsNative = xdp?[IFLA_XDP_ATTACHED]?.number(UInt8.self) == UInt8(XDP_ATTACHED_DRV)
        xdpProgramID = program == 0 ? nil : program
        let attached = xdp?[IFLA_XDP_ATTACHED]?.number(UInt8.self)
        hasXDP = attached.map { $0 != UInt8(XDP_ATTACHED_NONE) } ?? false
        kind = try attributes.nested(IFLA_LINKINFO)?[IFLA_INFO_KIND]?.text
        peer = kind == "veth" ? attributes[IFLA_LINK]?.number() : nil
        peerIsElsewhere = attributes[IFLA_LINK_NETNSID] != nil
        receiveQueues = attributes[IFLA_NUM_RX_QUEUES]?.number()
    }

    static func request(flags: Int32) -> Request {
        var request = Request(RTM_GETLINK, flags: flags, header: ifinfomsg())
        // Counters are most of a link's message, and unused here.
        request.append(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
        return request
    }
}
