import Balancer

/// Backends with what they carry, each once for each service that has it.
public struct BackendListReport: Codable, Hashable, Sendable {
    public struct Entry: Codable, Hashable, Sendable {
        public var backend: String
        public var service: UInt16
        public var frontend: String
        public var weight: UInt16
        /// The more cautious of the service's own and `override`.
        public var state: String
        /// What an operator has set; null where nothing.
        @ExplicitNull public var override: String?
        /// none (it is not checked), checking, up or down
        public var health: String
        /// Why its last check failed; null where it did not, or there was none.
        @ExplicitNull public var healthReason: String?
        /// Active ones.
        public var connections: Int
        public var totalConnections: UInt64
        public var packets: UInt64
        /// Of the IP packets.
        public var bytes: UInt64
        /// Null where no reply ever passed here, as in DSR: a zero would be a lie.
        @ExplicitNull public var replyPackets: UInt64?
        @ExplicitNull public var replyBytes: UInt64?

        /// `mode`: that of the service's new connections.
        public init(_ report: BackendReport, of service: Service, mode: Mode) {
            backend = report.backend.endpoint.description
            self.service = service.id
            frontend = service.frontend.description
            weight = report.backend.weight
            state = report.backend.state.rawValue
            override = report.backend.override?.rawValue
            health = report.health.word
            healthReason = report.health?.reason
            connections = report.connections
            totalConnections = report.totalConnections
            packets = report.packets
            bytes = report.bytes
            let hasReplies = mode == .snat || report.replyPackets > 0
            replyPackets = hasReplies ? report.replyPackets : nil
            replyBytes = hasReplies ? report.replyBytes : nil
        }
    }

    public var backends: [Entry]

    public init(backends: [Entry]) {
        self.backends = backends
    }
}
