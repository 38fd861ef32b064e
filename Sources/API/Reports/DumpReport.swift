import Balancer

/// A service's active connections, also those on a backend that has left, then the totals of its backends.
public struct DumpReport: Codable, Hashable, Sendable {
    public struct ServiceEntry: Codable, Hashable, Sendable {
        public var id: UInt16
        public var frontend: String
        public var mode: String
        public var algorithm: String
    }

    public struct ConnectionEntry: Codable, Hashable, Sendable {
        public var `protocol`: String
        public var client: String
        public var frontend: String
        public var backend: String
        public var mode: String
        public var state: String
        public var ageSeconds: UInt64
        public var idleSeconds: UInt64
        public var packets: UInt64
        public var bytes: UInt64
        @ExplicitNull public var replyPackets: UInt64?
        @ExplicitNull public var replyBytes: UInt64?
    }

    public struct BackendEntry: Codable, Hashable, Sendable {
        public var backend: String
        public var weight: UInt16
        public var state: String
        /// none (it is not checked), checking, up or down
        public var health: String
        /// Why its last check failed; null where it did not, or there was none.
        @ExplicitNull public var healthReason: String?
        public var connections: Int
        public var totalConnections: UInt64
        public var packets: UInt64
        public var bytes: UInt64
        /// Null where no reply ever passed here, as in DSR: a zero would be a lie.
        @ExplicitNull public var replyPackets: UInt64?
        @ExplicitNull public var replyBytes: UInt64?
    }

    public var service: ServiceEntry
    public var connections: [ConnectionEntry]
    public var backends: [BackendEntry]

    /// `mode`: that of the service's new connections.
    public init(_ service: Service, mode: Mode, connections: [Connection], backends: [BackendReport]) {
        self.service = ServiceEntry(
            id: service.id, frontend: service.frontend.description, mode: mode.rawValue,
            algorithm: service.algorithm.rawValue)
        self.connections = connections.map {
            ConnectionEntry(
                protocol: $0.frontend.transport.description, client: $0.client.description,
                frontend: $0.frontend.description, backend: $0.backend.description, mode: $0.mode.rawValue,
                state: $0.state.rawValue, ageSeconds: $0.age, idleSeconds: $0.idle, packets: $0.packets,
                bytes: $0.bytes, replyPackets: $0.replyPackets, replyBytes: $0.replyBytes)
        }
        self.backends = backends.map { report in
            let hasReplies = mode == .snat || report.replyPackets > 0
            return BackendEntry(
                backend: report.backend.endpoint.description, weight: report.backend.weight,
                state: report.backend.state.rawValue, health: report.health.word,
                healthReason: report.health?.reason,
                connections: report.connections,
                totalConnections: report.totalConnections, packets: report.packets, bytes: report.bytes,
                replyPackets: hasReplies ? report.replyPackets : nil, replyBytes: hasReplies ? report.replyBytes : nil)
        }
    }
}
