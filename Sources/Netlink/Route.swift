import Addresses
import CMnl
import Glibc

/// The kernel's way to one destination, as `ip route get` shows it.
public struct Route: Hashable, Sendable {
    /// The index of the link that packets leave by; nil where they do not leave.
    public var interface: Int32?
    /// Nil where the destination is on the link. Its family may differ from the destination's (RFC 5549).
    public var gateway: IPAddress?
    /// The address that the host itself would send from.
    public var source: IPAddress?
    public var kind: Kind

    public enum Kind: Hashable, Sendable {
        case unicast
        /// An address of this host.
        case local
        /// Refused with an ICMP error.
        case unreachable
        /// Dropped in silence.
        case blackhole
        /// Broadcast, multicast, prohibited and the rarer ones.
        case other
    }
}

extension Route {
    /// Nil where the message is about something else.
    init?(_ message: Message) throws(MalformedMessage) {
        guard Int(message.type) == RTM_NEWROUTE else { return nil }
        let (header, attributes) = try message.parts(rtmsg.self)
        guard [AF_INET, AF_INET6].contains(Int32(header.rtm_family)) else { return nil }
        interface = attributes[RTA_OIF]?.number()
        // RTA_VIA is a gateway of the other family: two bytes of family, then the address.
        gateway = (attributes[RTA_GATEWAY] ?? attributes[RTA_VIA]?.dropFirst(2)).flatMap(IPAddress.init(octets:))
        source = attributes[RTA_PREFSRC].flatMap(IPAddress.init(octets:))
        kind =
            switch Int(header.rtm_type) {
            case RTN_UNICAST: .unicast
            case RTN_LOCAL: .local
            case RTN_UNREACHABLE: .unreachable
            case RTN_BLACKHOLE: .blackhole
            default: .other
            }
    }

    static func request(to destination: IPAddress) -> Request {
        let octets = destination.octets
        var header = rtmsg()
        header.rtm_family = UInt8(destination.family)
        header.rtm_dst_len = UInt8(octets.count * 8)
        var request = Request(RTM_GETROUTE, flags: NLM_F_ACK, header: header)
        request.append(Int(RTA_DST.rawValue), octets)
        return request
    }
}
