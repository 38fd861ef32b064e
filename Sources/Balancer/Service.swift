import Addresses

/// What clients connect to, written `40.1.1.1:80/tcp`, or `40.1.1.1:*/tcp` for all ports that have no service of
/// their own; it identifies a service.
public struct Frontend: Hashable, Comparable, Sendable {
    public var endpoint: Endpoint
    public var transport: TransportProtocol

    public init(_ endpoint: Endpoint, _ transport: TransportProtocol) {
        self.endpoint = endpoint
        self.transport = transport
    }

    public static func < (a: Self, b: Self) -> Bool { (a.endpoint, a.transport) < (b.endpoint, b.transport) }
}

extension Frontend {
    /// Where a service on all ports of this address is.
    public var onAllPorts: Self { Self(Endpoint(endpoint.address, port: 0), transport) }
}

extension Frontend: LosslessStringConvertible {
    /// TCP where no protocol is written.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let endpoint = Endpoint(String(parts[0])) else { return nil }
        guard parts.count == 2 else {
            self.init(endpoint, .tcp)
            return
        }
        guard let transport = TransportProtocol(String(parts[1])) else { return nil }
        self.init(endpoint, transport)
    }

    public var description: String { "\(endpoint)/\(transport)" }
}

public struct Backend: Hashable, Sendable {
    public var endpoint: Endpoint
    /// The backend's share of new connections, 0 to 65535. 0: no new connections.
    public var weight: UInt16
    /// What its service says.
    public var configuredState: BackendState
    /// What an operator has set for this backend alone; it outlives the service's replacement.
    public var override: BackendState?

    public init(
        _ endpoint: Endpoint, weight: UInt16 = 1, state: BackendState = .active, override: BackendState? = nil
    ) {
        self.endpoint = endpoint
        self.weight = weight
        configuredState = state
        self.override = override
    }

    /// The more cautious of both.
    public var state: BackendState { max(configuredState, override ?? .active) }

    func with(_ override: BackendState?) -> Self {
        var backend = self
        backend.override = override
        return backend
    }

    /// Whether new connections may go to it.
    public var takesConnections: Bool { state == .active && weight > 0 }
}

public struct Service: Hashable, Sendable {
    /// 1 to 65535.
    public var id: UInt16
    public var frontend: Frontend
    /// In the order in which the user gave them.
    public var backends: [Backend]
    public var algorithm: Algorithm
    /// Seconds since its last new connection for which a client stays with its backend; nil: no
    /// affinity.
    public var affinity: UInt32?
    /// Whom the policy is about; empty: all clients are served.
    public var sourceRanges: [IPPrefix]
    public var sourceRangesPolicy: SourceRangesPolicy
    /// Nil: the agent's mode.
    public var mode: Mode?
    /// The most new connections in a second, 1 to 10,000,000; nil: no limit.
    public var maxNewConnections: UInt32?
    /// Nil: its backends are not checked.
    public var healthCheck: HealthCheck?
    public var origin: Origin

    public init(
        id: UInt16, frontend: Frontend, backends: [Backend], algorithm: Algorithm = .maglev,
        affinity: UInt32? = nil, sourceRanges: [IPPrefix] = [], sourceRangesPolicy: SourceRangesPolicy = .allow,
        mode: Mode? = nil, maxNewConnections: UInt32? = nil, healthCheck: HealthCheck? = nil,
        origin: Origin = .command
    ) {
        self.id = id
        self.frontend = frontend
        self.backends = backends
        self.algorithm = algorithm
        self.affinity = affinity
        self.sourceRanges = sourceRanges
        self.sourceRangesPolicy = sourceRangesPolicy
        self.mode = mode
        self.maxNewConnections = maxNewConnections
        self.healthCheck = healthCheck
        self.origin = origin
    }
}

extension Service {
    /// What operators have set for its backends.
    var overrides: [Endpoint: BackendState] {
        Dictionary(
            uniqueKeysWithValues: backends.compactMap { backend in backend.override.map { (backend.endpoint, $0) } })
    }

    /// `overrides`: what operators have set for its backends already.
    init(_ request: ServiceRequest, id: UInt16, origin: Origin, overrides: [Endpoint: BackendState]) {
        self.init(
            id: id, frontend: request.frontend, backends: request.backends.map { $0.with(overrides[$0.endpoint]) },
            algorithm: request.algorithm, affinity: request.affinity, sourceRanges: request.sourceRanges,
            sourceRangesPolicy: request.sourceRangesPolicy, mode: request.mode,
            maxNewConnections: request.maxNewConnections, healthCheck: request.healthCheck, origin: origin)
    }

    /// What one would ask for to get it.
    public var request: ServiceRequest {
        ServiceRequest(
            id: id, frontend: frontend, backends: backends.map { $0.with(nil) }, algorithm: algorithm,
            affinity: affinity, sourceRanges: sourceRanges, sourceRangesPolicy: sourceRangesPolicy, mode: mode,
            maxNewConnections: maxNewConnections, healthCheck: healthCheck)
    }

    /// Whether both do the same, whoever has configured them; the order of backends and ranges does not matter.
    func isSame(as other: Self) -> Bool { inOrder == other.inOrder }

    private var inOrder: Self {
        var service = self
        service.origin = .command
        service.backends.sort { $0.endpoint < $1.endpoint }
        service.sourceRanges.sort()
        return service
    }

    /// The first backend that is not of the frontend's family.
    var otherFamily: Endpoint? { backends.map(\.endpoint).first { !frontend.isOfFamily($0) } }
}

extension ServiceRequest {
    var otherFamily: Endpoint? { backends.map(\.endpoint).first { !frontend.isOfFamily($0) } }
}

extension Frontend {
    fileprivate func isOfFamily(_ backend: Endpoint) -> Bool { endpoint.address.isIPv6 == backend.address.isIPv6 }
}
