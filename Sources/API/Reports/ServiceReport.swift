import Balancer

public struct ServiceListReport: Codable, Hashable, Sendable {
    public var services: [ServiceReport]

    public init(services: [ServiceReport]) {
        self.services = services
    }
}

/// A service's configuration, and what it has carried since it was created.
public struct ServiceReport: Codable, Hashable, Sendable {
    public struct BackendEntry: Codable, Hashable, Sendable {
        public var backend: String
        public var weight: UInt16
        /// The more cautious of the service's own and `override`.
        public var state: String
        /// What an operator has set; null where nothing.
        @ExplicitNull public var override: String?
        /// none (it is not checked), checking, up or down
        public var health: String
        /// Why its last check failed; null where it did not, or there was none.
        @ExplicitNull public var healthReason: String?
    }

    public var id: UInt16
    public var frontend: String
    /// The mode of its new connections, and its own where it has one.
    public var mode: String
    @ExplicitNull public var ownMode: String?
    public var algorithm: String
    @ExplicitNull public var affinitySeconds: UInt32?
    public var sourceRanges: [String]
    public var sourceRangesPolicy: String
    /// In a second.
    @ExplicitNull public var maxNewConnections: UInt32?
    @ExplicitNull public var healthCheck: HealthCheckReport?
    /// Backends that take new connections now.
    public var usableBackends: Int
    /// Too few are healthy: all are used, as they were set.
    public var panic: Bool
    public var origin: String
    /// Active ones.
    public var connections: Int
    public var totalConnections: UInt64
    public var packets: UInt64
    /// Of the IP packets.
    public var bytes: UInt64
    /// Null where no reply ever passed here, as in DSR: a zero would be a lie.
    @ExplicitNull public var replyPackets: UInt64?
    @ExplicitNull public var replyBytes: UInt64?
    /// By reason, those that are not zero.
    public var drops: [String: UInt64]
    public var backends: [BackendEntry]

    /// `mode`: that of its new connections.
    public init(_ service: Service, mode: Mode, counters: ServiceCounters, health: HealthBook) {
        id = service.id
        frontend = service.frontend.description
        algorithm = service.algorithm.rawValue
        affinitySeconds = service.affinity
        self.mode = mode.rawValue
        ownMode = service.mode?.rawValue
        sourceRanges = service.sourceRanges.map(\.description)
        sourceRangesPolicy = service.sourceRangesPolicy.rawValue
        maxNewConnections = service.maxNewConnections
        healthCheck = service.healthCheck.map(HealthCheckReport.init)
        usableBackends = health.apply(to: service).count(where: \.takesConnections)
        panic = health.health(of: service)?.isPanic ?? false
        origin = service.origin.rawValue
        connections = counters.connections
        totalConnections = counters.totalConnections
        packets = counters.packets
        bytes = counters.bytes
        let hasReplies = mode == .snat || counters.replyPackets > 0
        replyPackets = hasReplies ? counters.replyPackets : nil
        replyBytes = hasReplies ? counters.replyBytes : nil
        drops = Dictionary(uniqueKeysWithValues: counters.drops.map { ($0.key.rawValue, $0.value) })
        backends = service.backends.map { backend in
            let health = health[BackendKey(frontend: service.frontend, backend: backend.endpoint)]
            return BackendEntry(
                backend: backend.endpoint.description, weight: backend.weight, state: backend.state.rawValue,
                override: backend.override?.rawValue, health: health.word, healthReason: health?.reason)
        }
    }
}
