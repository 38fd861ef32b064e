import Balancer

/// What `l4lb top` reads each second: what services and backends have carried, as the agent measured it last.
public struct TrafficReport: Codable, Hashable, Sendable {
    public struct Counters: Codable, Hashable, Sendable {
        /// Living ones.
        public var connections: Int
        public var totalConnections: UInt64
        public var packets: UInt64
        /// Of the IP packets.
        public var bytes: UInt64
        /// Null where no reply ever passed here, as in DSR: a zero would be a lie.
        @ExplicitNull public var replyPackets: UInt64?
        @ExplicitNull public var replyBytes: UInt64?

        public init(connections: Int, _ traffic: Traffic, hasReplies: Bool) {
            self.connections = connections
            totalConnections = traffic.connections
            packets = traffic.packets
            bytes = traffic.bytes
            replyPackets = hasReplies ? traffic.replyPackets : nil
            replyBytes = hasReplies ? traffic.replyBytes : nil
        }
    }

    public struct BackendEntry: Codable, Hashable, Sendable {
        public var backend: String
        public var weight: UInt16
        public var state: String
        /// checking, up or down; null where it is not checked.
        @ExplicitNull public var health: String?
        public var traffic: Counters
    }

    public struct ServiceEntry: Codable, Hashable, Sendable {
        public var id: UInt16
        public var frontend: String
        public var mode: String
        public var traffic: Counters
        /// Of all reasons.
        public var drops: UInt64
        public var backends: [BackendEntry]
    }

    /// Seconds from the agent's start to the measurement: the same until the next one, a second later.
    public var uptimeSeconds: Double
    public var services: [ServiceEntry]

    public init(uptime: Double, services: [ServiceMetrics]) {
        uptimeSeconds = uptime
        self.services = services.map { service in
            ServiceEntry(
                id: service.service.id, frontend: service.service.frontend.description, mode: service.mode.rawValue,
                traffic: Counters(
                    connections: service.connections.total, service.traffic, hasReplies: service.hasReplies),
                drops: service.drops.values.reduce(0, +),
                backends: service.backends.map {
                    BackendEntry(
                        backend: $0.backend.endpoint.description, weight: $0.backend.weight,
                        state: $0.backend.state.rawValue, health: $0.health?.verdict.rawValue,
                        traffic: Counters(connections: $0.connections, $0.traffic, hasReplies: $0.hasReplies))
                })
        }
    }
}
