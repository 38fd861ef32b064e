import CDataplane

/// What connections have carried, ended ones included.
public struct Traffic: Equatable, Sendable {
    /// That have begun.
    public var connections: UInt64 = 0
    public var packets: UInt64 = 0
    /// Of the IP packets.
    public var bytes: UInt64 = 0
    /// 0 in DSR, where replies do not pass here.
    public var replyPackets: UInt64 = 0
    public var replyBytes: UInt64 = 0

    public init() {}

    public init(_ totals: l4lb_totals) {
        connections = totals.connections
        packets = totals.packets
        bytes = totals.bytes
        replyPackets = totals.reply_packets
        replyBytes = totals.reply_bytes
    }

    public init(_ counters: ServiceCounters) {
        connections = counters.totalConnections
        packets = counters.packets
        bytes = counters.bytes
        replyPackets = counters.replyPackets
        replyBytes = counters.replyBytes
    }

    mutating func add(_ flow: Flow) {
        if flow.kind == .reply {
            replyPackets += flow.packets
            replyBytes += flow.bytes
        } else {
            connections += 1
            packets += flow.packets
            bytes += flow.bytes
        }
    }

    public static func += (sum: inout Self, more: Self) {
        sum.connections += more.connections
        sum.packets += more.packets
        sum.bytes += more.bytes
        sum.replyPackets += more.replyPackets
        sum.replyBytes += more.replyBytes
    }

    /// No counter is lower than it was.
    func notBelow(_ before: Self) -> Self {
        var result = self
        result.connections = max(connections, before.connections)
        result.packets = max(packets, before.packets)
        result.bytes = max(bytes, before.bytes)
        result.replyPackets = max(replyPackets, before.replyPackets)
        result.replyBytes = max(replyBytes, before.replyBytes)
        return result
    }
}

/// How many living connections there are in each mode and state.
public struct ConnectionCounts: Equatable, Sendable {
    private var counts = SIMD8<UInt32>()

    public init() {}

    public subscript(mode: Mode, state: ConnectionState) -> Int {
        get { Int(counts[Self.place(mode, state)]) }
        set { counts[Self.place(mode, state)] = UInt32(clamping: newValue) }
    }

    public var total: Int { (0..<counts.scalarCount).reduce(0) { $0 + Int(counts[$1]) } }

    public static func += (sum: inout Self, more: Self) { sum.counts &+= more.counts }

    private static func place(_ mode: Mode, _ state: ConnectionState) -> Int {
        let row = mode == .snat ? 0 : 4
        return switch state {
        case .syn: row
        case .established: row + 1
        case .closing: row + 2
        case .active: row + 3
        }
    }
}
