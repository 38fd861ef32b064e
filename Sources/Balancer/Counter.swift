import CDataplane

/// The named counters of the XDP program.
public enum DropReason: String, CaseIterable, Sendable {
    case noBackend = "no_backend"
    case noNeighbour = "no_neighbour"
    case snatPorts = "snat_ports_used_up"
    case flowTableFull = "flow_table_full"
    case flowBusy = "flow_busy"
    case malformed
    case fragment
    case ipOptions = "ip_options"
    case ipv6Extension = "ipv6_extension"
    case sourceRange = "source_range"
    case ttl = "ttl_expired_reply"
    case noRoom = "no_room"
    case newConnections = "new_connection_limit"
    case tooBig = "too_big"
    case udpChecksum = "udp_checksum_zero"
    case icmpQuote = "icmp_quote_too_short"

    public var counter: UInt32 {
        switch self {
        case .noBackend: L4LB_DROP_NO_BACKEND.rawValue
        case .noNeighbour: L4LB_DROP_NO_NEIGHBOUR.rawValue
        case .snatPorts: L4LB_DROP_SNAT_PORTS.rawValue
        case .flowTableFull: L4LB_DROP_FLOW_TABLE_FULL.rawValue
        case .flowBusy: L4LB_DROP_FLOW_BUSY.rawValue
        case .malformed: L4LB_DROP_MALFORMED.rawValue
        case .fragment: L4LB_DROP_FRAGMENT.rawValue
        case .ipOptions: L4LB_DROP_IP_OPTIONS.rawValue
        case .ipv6Extension: L4LB_DROP_IPV6_EXTENSION.rawValue
        case .sourceRange: L4LB_DROP_SOURCE_RANGE.rawValue
        case .ttl: L4LB_DROP_TTL.rawValue
        case .noRoom: L4LB_DROP_NO_ROOM.rawValue
        case .newConnections: L4LB_DROP_NEW_CONNECTIONS.rawValue
        case .tooBig: L4LB_DROP_TOO_BIG.rawValue
        case .udpChecksum: L4LB_DROP_UDP_CHECKSUM.rawValue
        case .icmpQuote: L4LB_DROP_ICMP_QUOTE.rawValue
        }
    }
}

/// What the XDP program counts beside drops.
public enum EventCounter: String, CaseIterable, Sendable {
    case portReusedEarly = "snat_port_reused_early"
    case dsrEvicted = "dsr_connection_evicted"
    case unconfirmedEvicted = "unconfirmed_connection_evicted"
    case timeExceeded = "icmp_time_exceeded_sent"
    case echo = "icmp_echo_answered"
    case tooBig = "icmp_too_big_sent"
    case icmpError = "icmp_error_forwarded"

    public var counter: UInt32 {
        switch self {
        case .portReusedEarly: L4LB_EVENT_PORT_REUSED_EARLY.rawValue
        case .dsrEvicted: L4LB_EVENT_DSR_EVICTED.rawValue
        case .unconfirmedEvicted: L4LB_EVENT_UNCONFIRMED_EVICTED.rawValue
        case .timeExceeded: L4LB_EVENT_TIME_EXCEEDED.rawValue
        case .echo: L4LB_EVENT_ECHO.rawValue
        case .tooBig: L4LB_EVENT_TOO_BIG.rawValue
        case .icmpError: L4LB_EVENT_ICMP_ERROR.rawValue
        }
    }
}
