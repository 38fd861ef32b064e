import CDataplane

/// The transport protocols that are balanced. The same address and port for both are two services.
public enum TransportProtocol: UInt8, Hashable, Comparable, Sendable, CaseIterable {
    /// The numbers are IANA's protocol numbers.
    case tcp = 6
    case udp = 17

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension TransportProtocol: LosslessStringConvertible {
    public init?(_ text: String) {
        guard let match = Self.allCases.first(where: { $0.description == text }) else { return nil }
        self = match
    }

    public var description: String {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        }
    }
}

/// How a connection's packets reach its backend, and how the replies come back.
public enum Mode: String, Hashable, Sendable, CaseIterable {
    /// Both ends of a packet are rewritten; replies come back through the balancer.
    case snat
    /// The packet is put into another one (RFC 2003, RFC 2473); the backend answers the client directly.
    case dsr

    var abi: UInt8 {
        switch self {
        case .snat: UInt8(L4LB_MODE_SNAT.rawValue)
        case .dsr: UInt8(L4LB_MODE_DSR.rawValue)
        }
    }
}

/// How a new connection's backend is chosen. Both give every backend its weight's share.
public enum Algorithm: String, Hashable, Sendable, CaseIterable {
    /// By the flow's hash, the same on every balancer.
    case maglev
    /// Drawn for each connection.
    case random
}

/// From the least to the most cautious.
public enum BackendState: String, Hashable, Comparable, Sendable, CaseIterable {
    /// Gets new connections.
    case active
    /// Keeps its connections and gets no new ones.
    case draining
    /// Gets no packet: its connections choose another backend.
    case maintenance

    public static func < (a: Self, b: Self) -> Bool { a.caution < b.caution }

    private var caution: Int {
        switch self {
        case .active: 0
        case .draining: 1
        case .maintenance: 2
        }
    }
}

/// What a service's source ranges mean.
public enum SourceRangesPolicy: String, Hashable, Sendable, CaseIterable {
    /// Only their clients are served.
    case allow
    /// Their clients are refused, all others served.
    case deny
}

/// Who configured a service. A source replaces and removes only what is its own.
public enum Origin: String, Hashable, Sendable {
    case command
    case file
}
