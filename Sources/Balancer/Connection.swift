import Addresses
import CDataplane

/// A connection as `service dumpstate` shows it, made from the slots of its directions.
public struct Connection: Sendable {
    public var client: Endpoint
    public var frontend: Frontend
    public var backend: Endpoint
    public var mode: Mode
    public var state: ConnectionState
    /// Whole seconds since the first and since the last packet.
    public var age, idle: UInt64
    public var packets, bytes: UInt64
    /// Nil in DSR, where replies do not pass here.
    public var replyPackets, replyBytes: UInt64?
}

/// One backend's share, as `service dumpstate` shows it.
public struct BackendReport: Sendable {
    public var backend: Backend
    /// Living ones.
    public var connections = 0
    /// Since the backend joined, connections that have ended included.
    public var totalConnections: UInt64 = 0
    public var packets: UInt64 = 0
    public var bytes: UInt64 = 0
    public var replyPackets: UInt64 = 0
    public var replyBytes: UInt64 = 0
    /// Nil: it is not checked.
    public var health: BackendHealth?
}

/// The flow tables as they were read at one moment.
public struct FlowSnapshot: Sendable {
    /// Only slots that hold a flow.
    public let flows: [FlowPlace: Flow]
    /// The tick of the reading.
    public let now: UInt32
    public let clock: Clock
    public let timeouts: Timeouts

    public init(flows: [FlowPlace: Flow], now: UInt32, clock: Clock, timeouts: Timeouts) {
        self.flows = flows
        self.now = now
        self.clock = clock
        self.timeouts = timeouts
    }

    /// The slot of the other direction, where it holds that.
    public func peer(of flow: Flow, at place: FlowPlace) -> Flow? {
        guard flow.kind != .dsr, let peer = flows[FlowPlace(flow.peer, isIPv6: place.isIPv6)],
            peer.kind == (flow.kind == .reply ? .snat : .reply)
        else { return nil }
        return peer
    }

    /// The last packet of either direction.
    private func stamp(of flow: Flow, peer: Flow?) -> UInt32 {
        guard let peer else { return flow.stamp }
        return Int32(bitPattern: peer.stamp &- flow.stamp) > 0 ? peer.stamp : flow.stamp
    }

    public func hasEnded(_ flow: Flow, at place: FlowPlace) -> Bool {
        let idle = Int32(bitPattern: now &- stamp(of: flow, peer: peer(of: flow, at: place)))
        return idle > 0 && UInt32(idle) > timeouts.ticks(flow.phase, clock: clock)
    }

    /// Whether a slot may be freed: its connection has ended, and its port has rested.
    public func isCollectable(_ flow: Flow, at place: FlowPlace) -> Bool {
        guard hasEnded(flow, at: place) else { return false }
        guard flow.kind == .reply, flow.phase == .closing else { return true }
        return now &- flow.stamp > clock.ticks(Timeouts.portRest)
    }

    /// The connection of a flow of the client's; nil where nobody knows its backend.
    public func connection(_ flow: Flow, at place: FlowPlace, keys: (UInt16) -> BackendKey?) -> Connection? {
        guard let key = keys(flow.backend) else { return nil }
        let reply = peer(of: flow, at: place)
        let isDSR = flow.kind == .dsr
        return Connection(
            client: flow.source, frontend: Frontend(flow.destination, flow.transport), backend: key.backend,
            mode: isDSR ? .dsr : .snat, state: flow.phase, age: clock.seconds(from: flow.created, to: now),
            idle: clock.seconds(from: stamp(of: flow, peer: reply), to: now), packets: flow.packets,
            bytes: flow.bytes, replyPackets: isDSR ? nil : reply?.packets ?? 0,
            replyBytes: isDSR ? nil : reply?.bytes ?? 0)
    }

    /// The living connections, oldest first.
    public func connections(where wanted: (BackendKey) -> Bool, keys: (UInt16) -> BackendKey?) -> [Connection] {
        var found: [(created: UInt32, connection: Connection)] = []
        for (place, flow) in flows where flow.kind != .reply && !hasEnded(flow, at: place) {
            guard let key = keys(flow.backend), wanted(key), let connection = connection(flow, at: place, keys: keys)
            else { continue }
            found.append((flow.created, connection))
        }
        return found.sorted {
            // A tick from just now may be ahead.
            let age = (Int32(bitPattern: now &- $0.created), Int32(bitPattern: now &- $1.created))
            return age.0 == age.1 ? $0.connection.client < $1.connection.client : age.0 > age.1
        }.map(\.connection)
    }
}

/// What a backend's connections have carried: those that are gone, and those in the table.
public struct BackendTotals: Sendable {
    public private(set) var values: [UInt16: l4lb_totals] = [:]

    public init(gone: [UInt16: l4lb_totals], flows: some Sequence<Flow>) {
        values = gone
        for flow in flows {
            if flow.kind == .reply {
                values[flow.backend, default: l4lb_totals()].reply_packets += flow.packets
                values[flow.backend, default: l4lb_totals()].reply_bytes += flow.bytes
            } else {
                values[flow.backend, default: l4lb_totals()].connections += 1
                values[flow.backend, default: l4lb_totals()].packets += flow.packets
                values[flow.backend, default: l4lb_totals()].bytes += flow.bytes
            }
        }
    }

    public func report(_ backend: Backend, at index: UInt16?, census: FlowCensus) -> BackendReport {
        var report = BackendReport(backend: backend)
        guard let index else { return report }
        report.connections = census.connections(at: index)
        guard let totals = values[index] else { return report }
        report.totalConnections = totals.connections
        report.packets = totals.packets
        report.bytes = totals.bytes
        report.replyPackets = totals.reply_packets
        report.replyBytes = totals.reply_bytes
        return report
    }
}
