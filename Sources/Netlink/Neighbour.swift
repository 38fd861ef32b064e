import Addresses
import CMnl
import Glibc

/// An entry of the kernel's neighbour table (ARP, or NDP in IPv6).
public struct Neighbour: Hashable, Sendable {
    /// The index of the link that it is on.
    public var interface: Int32
    public var address: IPAddress
    /// Nil while the kernel asks for it, and where the link has no Ethernet addresses.
    public var linkAddress: LinkAddress?
    public var state: State
    /// Whether the kernel keeps the entry fresh for someone (`NetlinkSocket.manage`).
    public var isManaged: Bool
    /// Put there by a routing daemon (NTF_EXT_LEARNED), which is kept by `probe` and `manage`.
    var isLearnedElsewhere: Bool
    /// It was `manage` that put it there, of this process or another one.
    public var isOurs = false

    /// Who put an entry there, as a number of rtnetlink(7)'s routing protocols: one that nobody has.
    static let protocolNumber: UInt8 = 76

    /// Frames can be sent to `linkAddress`.
    public var isUsable: Bool {
        linkAddress != nil
            && !state.isDisjoint(with: [.reachable, .stale, .delay, .probe, .permanent, .noARP])
    }

    /// The kernel's NUD_ bits; none is an entry that nothing was asked of yet.
    public struct State: OptionSet, Hashable, Sendable {
        public var rawValue: UInt16

        public init(rawValue: UInt16) {
            self.rawValue = rawValue
        }

        /// The first question is out, no answer yet.
        public static let incomplete = State(rawValue: UInt16(NUD_INCOMPLETE))
        /// Confirmed a short while ago.
        public static let reachable = State(rawValue: UInt16(NUD_REACHABLE))
        /// Known, not confirmed for some time; the next use has it confirmed.
        public static let stale = State(rawValue: UInt16(NUD_STALE))
        /// Used while stale; the kernel waits for a confirmation before it asks.
        public static let delay = State(rawValue: UInt16(NUD_DELAY))
        /// Known, and being asked again.
        public static let probe = State(rawValue: UInt16(NUD_PROBE))
        /// Nobody answered.
        public static let failed = State(rawValue: UInt16(NUD_FAILED))
        /// A link or an address that needs no resolution.
        public static let noARP = State(rawValue: UInt16(NUD_NOARP))
        /// Set by the administrator, never asked for.
        public static let permanent = State(rawValue: UInt16(NUD_PERMANENT))
    }
}

extension Neighbour {
    /// Nil where the message is about something else, such as a bridge's forwarding table.
    init?(_ message: Message) throws(MalformedMessage) {
        guard Int(message.type) == RTM_NEWNEIGH else { return nil }
        let (header, attributes) = try message.parts(ndmsg.self)
        guard [AF_INET, AF_INET6].contains(Int32(header.ndm_family)), Int32(header.ndm_flags) & NTF_PROXY == 0,
            let address = attributes[NDA_DST].flatMap(IPAddress.init(octets:))
        else { return nil }
        interface = header.ndm_ifindex
        self.address = address
        linkAddress = attributes[NDA_LLADDR].flatMap(LinkAddress.init(octets:))
        state = State(rawValue: header.ndm_state)
        isManaged = (attributes[NDA_FLAGS_EXT]?.number() ?? 0) & UInt32(NTF_EXT_MANAGED) != 0
        isLearnedElsewhere = Int32(header.ndm_flags) & NTF_EXT_LEARNED != 0
        isOurs = attributes[NDA_PROTOCOL]?.number() == Self.protocolNumber
    }

    /// A request about one entry.
    static func request(
        _ type: Int, flags: Int32, _ address: IPAddress, interface: Int32, entryFlags: Int32 = 0
    ) -> Request {
        var header = ndmsg()
        header.ndm_family = UInt8(address.family)
        header.ndm_ifindex = interface
        header.ndm_flags = UInt8(entryFlags)
        var request = Request(type, flags: flags, header: header)
        request.append(NDA_DST, address.octets)
        return request
    }
}

extension IPAddress {
    var family: Int32 {
        switch self {
        case .v4: AF_INET
        case .v6: AF_INET6
        }
    }
}
