import Addresses
import Balancer

/// What happens to one flow's next packet, and why.
public struct ExplainReport: Codable, Hashable, Sendable {
    public struct ServiceEntry: Codable, Hashable, Sendable {
        public var id: UInt16
        public var frontend: String
        public var mode: String
        public var algorithm: String
        public var origin: String
    }

    public struct ConnectionEntry: Codable, Hashable, Sendable {
        public var state: String
        public var mode: String
        /// Its place in the flow table of the client's family.
        public var slot: UInt32
        public var ageSeconds: UInt64
        public var idleSeconds: UInt64
    }

    public struct BackendEntry: Codable, Hashable, Sendable {
        public var backend: String
        /// Draining too where it has left the service.
        public var state: String
        /// checking, up or down; null where it is not checked.
        @ExplicitNull public var health: String?
    }

    public struct NextHopEntry: Codable, Hashable, Sendable {
        public var address: String
        /// Null while it has not answered.
        @ExplicitNull public var linkAddress: String?
        /// Null where it is behind none of the agent's.
        @ExplicitNull public var device: String?
        /// The balancer's address towards it.
        public var source: String
        /// Bytes of the largest IP packet on the way.
        public var mtu: UInt32
    }

    public enum Verdict: String, Codable, Sendable {
        case pass, forward, redirect, drop
    }

    public var client: String
    public var frontend: String
    /// The device that the packet is taken to come in by.
    public var device: String
    /// Null where none is there.
    @ExplicitNull public var service: ServiceEntry?
    /// Null where the flow has none.
    @ExplicitNull public var connection: ConnectionEntry?
    /// Null where it comes to none.
    @ExplicitNull public var backend: BackendEntry?
    @ExplicitNull public var nextHop: NextHopEntry?
    /// Of the program itself. forward: out of the device that it came in by; redirect: out of another one.
    public var verdict: Verdict
    /// Of a drop.
    @ExplicitNull public var reason: String?
    /// Whether the packet would begin a connection.
    public var beginsConnection: Bool

    public init(client: Endpoint, frontend: Frontend, device: String, finding: Finding) {
        self.client = client.description
        self.frontend = frontend.description
        self.device = device
        switch finding.verdict {
        case .pass: verdict = .pass
        case .forward: verdict = .forward
        case .redirect: verdict = .redirect
        case .drop(let why):
            verdict = .drop
            reason = why?.rawValue
        }
        beginsConnection = finding.newBackend != nil
    }

    public mutating func tell(_ service: Service, mode: Mode) {
        self.service = ServiceEntry(
            id: service.id, frontend: service.frontend.description, mode: mode.rawValue,
            algorithm: service.algorithm.rawValue, origin: service.origin.rawValue)
    }

    public mutating func tell(_ connection: Connection, slot: UInt32) {
        self.connection = ConnectionEntry(
            state: connection.state.rawValue, mode: connection.mode.rawValue, slot: slot, ageSeconds: connection.age,
            idleSeconds: connection.idle)
    }

    public mutating func tell(_ backend: Backend, health: BackendHealth?, nextHop hop: NextHop?, device: String?) {
        self.backend = BackendEntry(
            backend: backend.endpoint.description, state: backend.state.rawValue, health: health?.verdict.rawValue)
        nextHop = hop.map {
            NextHopEntry(
                address: $0.neighbour.description, linkAddress: $0.linkAddress?.description, device: device,
                source: $0.source.description, mtu: $0.mtu)
        }
    }
}
