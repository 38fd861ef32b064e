import CMnl
import Glibc

/// Says that something has changed, not what: who hears it asks `NetlinkSocket` again. It covers the network
/// namespace that the thread was in when the monitor was made.
public struct NetlinkMonitor: ~Copyable, Sendable {
    private var socket: MnlSocket

    public struct Change: OptionSet, Hashable, Sendable {
        public var rawValue: UInt8

        public init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// A link came, went or changed, such as its carrier or its XDP program. IPv4 routes that go with a link are
        /// not announced on their own.
        public static let links = Change(rawValue: 1 << 0)
        public static let addresses = Change(rawValue: 1 << 1)
        public static let neighbours = Change(rawValue: 1 << 2)
        /// Also rules and next-hop objects, which the answer for a destination depends on.
        public static let routes = Change(rawValue: 1 << 3)
        /// The kernel had more to say than the socket holds (ENOBUFS): everything has to be asked again.
        public static let lost = Change(rawValue: 1 << 4)
    }

    /// A busy machine must not keep `drain` from returning.
    private static let mostDatagrams = 1024
    /// Bytes. The kernel counts bookkeeping too: about a thousand announcements.
    private static let bufferSize: Int32 = 1 << 20

    public init() throws(NetlinkError) {
        let action = "watch the network interfaces, neighbours and routes"
        var socket = try MnlSocket(flags: Int32(SOCK_NONBLOCK.rawValue), action: action)
        // Capped by net.core.rmem_max; a smaller buffer only means `lost` more often.
        try socket.set(socketOption: SO_RCVBUF, to: Self.bufferSize, action: action)
        let groups = [
            RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_NEXTHOP,
            RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE,
            RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE,
        ]
        for group in groups {
            try socket.set(NETLINK_ADD_MEMBERSHIP, to: Int32(group.rawValue), action: action)
        }
        self.socket = socket
    }

    /// Readable when there is something to `drain`; valid for as long as the monitor lives.
    public var fileDescriptor: Int32 { socket.fileDescriptor }

    /// Reads what has been announced since the last call, without waiting. It may leave some for the next call, for
    /// which the descriptor stays readable.
    public mutating func drain() throws(NetlinkError) -> Change {
        let action = "read what changed in the network"
        var changes: Change = []
        for _ in 0..<Self.mostDatagrams {
            do throws(NetlinkError) {
                changes.formUnion(try Change(datagram: try socket.receive(action: action), action))
            } catch {
                switch error.errno {
                case EAGAIN: return changes
                case ENOBUFS: changes.insert(.lost)
                default: throw error
                }
            }
        }
        return changes
    }
}

extension NetlinkMonitor.Change {
    init(datagram: [UInt8], _ action: String) throws(NetlinkError) {
        do throws(MalformedMessage) {
            self = try Message.all(in: datagram).reduce(into: []) { $0.formUnion(Self($1)) }
        } catch {
            throw .failed(action: action, errno: EBADMSG, detail: error.description)
        }
    }

    init(_ message: Message) {
        self =
            switch Int(message.type) {
            case RTM_NEWLINK, RTM_DELLINK: .links
            case RTM_NEWADDR, RTM_DELADDR: .addresses
            case RTM_NEWNEIGH, RTM_DELNEIGH: .neighbours
            case RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE, RTM_NEWNEXTHOP, RTM_DELNEXTHOP: .routes
            default: []
            }
    }
}
