import Addresses

/// What differs between two desired states.
public struct StateChange: Equatable, Sendable {
    public struct Pair: Equatable, Sendable {
        public var old, new: Service
    }

    /// The mode before and after, where it changes.
    public var oldMode, newMode: Mode?
    /// Services by id.
    public var created: [Service] = []
    public var replaced: [Pair] = []
    /// Only the origin is another one.
    public var adopted: [Pair] = []
    public var removed: [Service] = []
    /// Services that there are before and after, changed or not.
    public var staying = 0

    public init(from old: DesiredState, to new: DesiredState) {
        if old.mode != new.mode { (oldMode, newMode) = (old.mode, new.mode) }
        for service in new.sortedServices {
            guard let before = old.service(of: service.frontend) else {
                created.append(service)
                continue
            }
            staying += 1
            guard before != service else { continue }
            if before.isSame(as: service) {
                adopted.append(Pair(old: before, new: service))
            } else {
                replaced.append(Pair(old: before, new: service))
            }
        }
        removed = old.sortedServices.filter { new.service(of: $0.frontend) == nil }
    }

    public var isEmpty: Bool {
        newMode == nil && created.isEmpty && replaced.isEmpty && adopted.isEmpty && removed.isEmpty
    }

    public var unchanged: Int { staying - replaced.count - adopted.count }
}

/// What a change does to connections.
public struct Impact: Equatable, Sendable {
    public struct OfService: Equatable, Sendable {
        /// The share of its new connections that go to another backend than before, 0 to 1; nil where there is no
        /// service before or after.
        public var moved: Double?
        /// Living ones, of all its backends.
        public var connections = 0
        /// Those of a backend that leaves, or of a service that does: they go on until they end.
        public var leaving = 0
        /// Those of a backend that gets no packet any more: they choose another one.
        public var rechosen = 0

        public init(moved: Double? = nil, connections: Int = 0, leaving: Int = 0, rechosen: Int = 0) {
            self.moved = moved
            self.connections = connections
            self.leaving = leaving
            self.rechosen = rechosen
        }
    }

    /// Of services that are replaced or removed: an id may go to another one.
    public var services: [Frontend: OfService] = [:]
    /// The mean over all services that there are before and after.
    public var moved = 0.0
    public var connections = 0
    public var leaving = 0
    public var rechosen = 0

    /// `connections`: the living ones of each backend, also of services that do not change.
    public init(of change: StateChange, connections: [BackendKey: Int], maglevSize: Int, seed: UInt64) {
        self.connections = connections.values.reduce(0, +)
        var sum = 0.0
        for pair in change.replaced {
            var own = OfService(moved: pair.movedShare(maglevSize: maglevSize, seed: seed))
            sum += own.moved ?? 0
            let after = Dictionary(uniqueKeysWithValues: pair.new.backends.map { ($0.endpoint, $0.state) })
            for backend in pair.old.backends {
                let key = BackendKey(frontend: pair.old.frontend, backend: backend.endpoint)
                let count = connections[key] ?? 0
                own.connections += count
                switch after[backend.endpoint] {
                case nil: own.leaving += count
                case .maintenance where backend.state != .maintenance: own.rechosen += count
                default: break
                }
            }
            add(own, to: pair.new.frontend)
        }
        for service in change.removed {
            let count = service.backends.reduce(0) {
                $0 + (connections[BackendKey(frontend: service.frontend, backend: $1.endpoint)] ?? 0)
            }
            add(OfService(connections: count, leaving: count), to: service.frontend)
        }
        if change.staying > 0 { moved = sum / Double(change.staying) }
    }

    private mutating func add(_ own: OfService, to frontend: Frontend) {
        services[frontend] = own
        leaving += own.leaving
        rechosen += own.rechosen
    }
}

extension StateChange.Pair {
    /// Of Maglev, the slots that get another backend; of a random choice, by how much the backends' shares differ.
    fileprivate func movedShare(maglevSize: Int, seed: UInt64) -> Double {
        let shares = { (service: Service) in
            Set(service.backends.filter(\.takesConnections).map { Share(endpoint: $0.endpoint, weight: $0.weight) })
        }
        guard shares(old) != shares(new) else { return 0 }
        let (before, after) = (old.owners(size: maglevSize, seed: seed), new.owners(size: maglevSize, seed: seed))
        guard !before.isEmpty, !after.isEmpty else { return 1 }
        guard old.algorithm == .maglev, new.algorithm == .maglev else {
            let counts = { (owners: [Endpoint]) in owners.reduce(into: [Endpoint: Int]()) { $0[$1, default: 0] += 1 } }
            let kept = counts(before).merging(counts(after)) { min($0, $1) }
            let both = Set(before).intersection(after)
            return 1 - Double(both.reduce(0) { $0 + (kept[$1] ?? 0) }) / Double(maglevSize)
        }
        return Double(zip(before, after).count { $0 != $1 }) / Double(maglevSize)
    }

    private struct Share: Hashable {
        var endpoint: Endpoint
        var weight: UInt16
    }
}

extension Service {
    /// The backend of each slot of its table; empty where none takes connections.
    fileprivate func owners(size: Int, seed: UInt64) -> [Endpoint] {
        MaglevTable(
            backends: backends.map { ("\($0.endpoint)/\(frontend.transport)", $0.takesConnections ? $0.weight : 0) },
            size: size, seed: seed
        ).slots.map { backends[Int($0)].endpoint }
    }
}
