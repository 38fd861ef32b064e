import Addresses

/// What a census of the flow table tells the agent.
public struct FlowCensus: Equatable, Sendable {
    public var connections: [Mode: Int] = [:]
    /// By the place of their backend; one that any slot names, ended or not, has an entry.
    public var backends: [UInt16: BackendUse] = [:]
    /// The balancer's addresses that SNAT slots use.
    public var sources: Set<IPAddress> = []
    public var table = TableUse()
    public var table6 = TableUse()

    /// What the flow table holds of one backend.
    public struct BackendUse: Equatable, Sendable {
        /// Living ones.
        public var connections = ConnectionCounts()
        /// SNAT ports towards it that living connections use.
        public var ports = 0
        /// By what is in the table, ended or not.
        public var traffic = Traffic()

        public init() {}
    }

    /// How much of one family's table is in use, by what has ended too.
    public struct TableUse: Equatable, Sendable {
        public var slots = 0
        /// Connections of which either slot is.
        public var records = 0

        public init(slots: Int = 0, records: Int = 0) {
            self.slots = slots
            self.records = records
        }

        /// `isFirst`: of its connection's slots, the first or only one.
        fileprivate mutating func add(_ isFirst: Bool) {
            slots += 1
            if isFirst { records += 1 }
        }
    }

    public init(_ snapshot: FlowSnapshot) {
        for (place, flow) in snapshot.flows {
            let isFirst = flow.kind != .reply || snapshot.flows[FlowPlace(flow.peer, isIPv6: place.isIPv6)] == nil
            if place.isIPv6 { table6.add(isFirst) } else { table.add(isFirst) }
            if let source = flow.translated?.address { sources.insert(source) }
            let isLiving = !snapshot.hasEnded(flow, at: place)
            backends[flow.backend, default: BackendUse()].add(flow, isLiving: isLiving)
            if flow.kind != .reply, isLiving { connections[flow.mode, default: 0] += 1 }
        }
    }

    /// Whether any slot names this place.
    public func names(_ index: UInt16) -> Bool { backends[index] != nil }

    /// Living connections of the backend at this place.
    public func connections(at index: UInt16) -> Int { backends[index]?.connections.total ?? 0 }
}

extension FlowCensus.BackendUse {
    fileprivate mutating func add(_ flow: Flow, isLiving: Bool) {
        traffic.add(flow)
        guard isLiving else { return }
        if flow.kind == .reply { ports += 1 } else { connections[flow.mode, flow.phase] += 1 }
    }
}

extension Flow {
    var mode: Mode { kind == .dsr ? .dsr : .snat }
}
