import Addresses
import CDataplane

/// What a service has carried since it was created, as `service list` shows it.
public struct ServiceCounters: Equatable, Sendable {
    /// Living ones.
    public var connections = 0
    public var totalConnections: UInt64 = 0
    public var packets: UInt64 = 0
    /// Of the IP packets.
    public var bytes: UInt64 = 0
    public var replyPackets: UInt64 = 0
    public var replyBytes: UInt64 = 0
    /// Those that are not zero.
    public var drops: [DropReason: UInt64] = [:]

    public init() {}

    mutating func add(_ totals: l4lb_totals) {
        totalConnections += totals.connections
        packets += totals.packets
        bytes += totals.bytes
        replyPackets += totals.reply_packets
        replyBytes += totals.reply_bytes
    }
}

/// What backends had carried whose places have been released: it stays their service's.
public struct DepartedTotals: Sendable {
    private var values: [Frontend: ServiceCounters] = [:]

    public init() {}

    public subscript(frontend: Frontend) -> ServiceCounters { values[frontend] ?? ServiceCounters() }

    public mutating func add(_ totals: l4lb_totals, of frontend: Frontend) {
        values[frontend, default: ServiceCounters()].add(totals)
    }

    /// Forgets the services that are no more.
    public mutating func keep(only state: DesiredState) {
        values = values.filter { state.service(of: $0.key) != nil }
    }
}

extension BackendTotals {
    /// By frontend, over the backends it has and those it had. Drops are counted elsewhere.
    public func services(
        _ indices: BackendIndices, census: FlowCensus, departed: DepartedTotals
    ) -> [Frontend: ServiceCounters] {
        var counters: [Frontend: ServiceCounters] = [:]
        for (key, index) in indices.all {
            var sum = counters[key.frontend] ?? departed[key.frontend]
            if let totals = values[index] { sum.add(totals) }
            sum.connections += census.connections(at: index)
            counters[key.frontend] = sum
        }
        return counters
    }
}
