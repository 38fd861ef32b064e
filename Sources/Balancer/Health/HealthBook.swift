/// What is known of the health of all backends that are checked. It is no desired state: the plan takes it as what it
/// is, beside what the user asked for.
public struct HealthBook: Equatable, Sendable {
    private var entries: [BackendKey: BackendHealth] = [:]

    public init() {}

    /// Nil: it is not checked.
    public subscript(key: BackendKey) -> BackendHealth? { entries[key] }

    /// Backends that are checked have an entry, and no others.
    public mutating func follow(_ state: DesiredState) {
        var now: [BackendKey: BackendHealth] = [:]
        for service in state.services.values where service.healthCheck != nil {
            for backend in service.backends {
                let key = BackendKey(frontend: service.frontend, backend: backend.endpoint)
                now[key] = entries[key] ?? BackendHealth()
            }
        }
        entries = now
    }

    /// What an earlier agent knew. `isAtWork`: its packet path goes on, so that all others were up a moment ago.
    public mutating func restore(_ down: [BackendKey: String], isAtWork: Bool) {
        for key in entries.keys {
            if let reason = down[key] {
                entries[key] = BackendHealth(.down, reason: reason)
            } else if isAtWork {
                entries[key] = BackendHealth(.up)
            }
        }
    }

    /// With the reasons.
    public var down: [BackendKey: String] {
        entries.filter { $0.value.verdict == .down }.mapValues { $0.reason ?? "" }
    }

    public struct Change: Equatable, Sendable {
        public var before: BackendHealth.Verdict
        public var after: BackendHealth.Verdict
        public var reason: String?
    }

    /// Nil where the verdict stays. A backend that is checked no more is passed over.
    public mutating func note(_ outcome: ProbeOutcome, of key: BackendKey, check: HealthCheck) -> Change? {
        guard let before = entries[key]?.verdict,
            entries[key]?.note(outcome, rise: check.rise, fall: check.fall) == true, let now = entries[key]
        else { return nil }
        return Change(before: before, after: now.verdict, reason: now.reason)
    }
}

/// How many of a service's backends are up, and what follows.
public struct ServiceHealth: Hashable, Sendable {
    /// Backends that the user lets take new connections, and those of them that are not down.
    public var wanted: Int
    public var healthy: Int
    /// Too few are healthy: all backends are used, as the user set them.
    public var isPanic: Bool
}

extension HealthBook {
    /// Nil: the service is not checked.
    public func health(of service: Service) -> ServiceHealth? {
        guard let check = service.healthCheck else { return nil }
        let wanted = service.backends.filter(\.takesConnections)
        let healthy = wanted.count { !isDown($0, of: service) }
        let isPanic = !wanted.isEmpty && (healthy == 0 || healthy * 100 < check.panicThreshold * wanted.count)
        return ServiceHealth(wanted: wanted.count, healthy: healthy, isPanic: isPanic)
    }

    /// The backends as packets meet them: those that are down get none, as in maintenance.
    public func apply(to service: Service) -> [Backend] {
        guard let health = health(of: service), !health.isPanic else { return service.backends }
        return service.backends.map { backend in
            var backend = backend
            if isDown(backend, of: service) { backend.configuredState = .maintenance }
            return backend
        }
    }

    private func isDown(_ backend: Backend, of service: Service) -> Bool {
        self[BackendKey(frontend: service.frontend, backend: backend.endpoint)]?.verdict == .down
    }
}
