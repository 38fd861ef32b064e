import Addresses

/// A change that is taken back unless it is confirmed in time. Of several in a row all are, as none was confirmed.
public struct Trial: Equatable, Sendable {
    /// Times are seconds since 1970, so that they mean the same to the next agent.
    public struct Time: Equatable, Sendable {
        public var now: Int64
        /// Seconds for the confirmation.
        public var seconds: Int64

        /// The most seconds: a day.
        public static let limit: Int64 = 86_400

        public init(now: Int64, seconds: Int64) {
            self.now = now
            self.seconds = seconds
        }
    }

    public var deadline: Int64
    public var seconds: Int64
    public var origin: Origin
    /// What there was before: the origin's services, and those that it has taken over.
    var before: [Service]
    /// The mode before, and the one that was applied.
    var oldMode, newMode: Mode

    /// Nil where nothing is to be confirmed.
    init?(_ time: Time, of change: StateChange, origin: Origin, before state: DesiredState) {
        guard !change.isEmpty || state.trial != nil else { return nil }
        deadline = time.now + time.seconds
        seconds = time.seconds
        self.origin = origin
        before = state.trial?.before ?? state.sortedServices.filter { $0.origin == origin }
        before += change.adopted.map(\.old).filter { $0.origin != origin }
        oldMode = state.trial?.oldMode ?? state.mode
        newMode = change.newMode ?? state.trial?.newMode ?? state.mode
    }

    init(deadline: Int64, seconds: Int64, origin: Origin, before: [Service], oldMode: Mode, newMode: Mode) {
        self.deadline = deadline
        self.seconds = seconds
        self.origin = origin
        self.before = before
        self.oldMode = oldMode
        self.newMode = newMode
    }

    /// Seconds that are left. A clock that was set back makes it no longer than it was.
    public func remaining(at now: Int64) -> Int64 { min(max(deadline - now, 0), seconds) }
}

extension DesiredState {
    /// What was applied stays.
    public mutating func confirm() throws(BalancerError) {
        guard trial != nil else {
            throw .refused("nothing waits for a confirmation: 'apply --confirm' was not used, or it was taken back")
        }
        trial = nil
    }

    /// Takes back what was not confirmed. What commands have set meanwhile stays, and has precedence: where it stands
    /// in the way, that is among the results.
    public mutating func takeBack() -> (change: StateChange, problems: [String]) {
        let old = self
        guard let trial else { return (StateChange(from: old, to: self), []) }
        self.trial = nil
        var problems: [String] = []
        let before = Set(trial.before.map(\.frontend))
        for service in old.services.values where service.origin == trial.origin && !before.contains(service.frontend) {
            remove(service)
        }
        if mode == trial.newMode, mode != trial.oldMode {
            do throws(BalancerError) {
                try setMode(trial.oldMode)
            } catch {
                problems.append(error.description)
            }
        }
        for service in trial.before {
            do throws(BalancerError) {
                try putBack(service, origin: trial.origin)
            } catch {
                problems.append("service \(service.id) (\(service.frontend)) cannot be put back: \(error)")
            }
        }
        return (StateChange(from: old, to: self), problems)
    }

    private mutating func putBack(_ service: Service, origin: Origin) throws(BalancerError) {
        var service = service
        if let now = self.service(of: service.frontend) {
            guard now.origin == origin else { throw .refused("it belongs to the \(now.origin.rawValue) now") }
            remove(now)
            // Operators' states are not part of what was applied.
            service.backends = service.backends.map { $0.with(now.overrides[$0.endpoint]) }
        }
        guard services.count < mapMax, backendCount + service.backends.count <= mapMax,
            sourceRangeCount + service.sourceRanges.count <= Self.sourceRangesMax
        else { throw .refused("the room that it had was given to others") }
        if services[service.id] != nil {
            guard let free = (1...UInt16.max).first(where: { services[$0] == nil }) else {
                throw .refused("all 65535 service ids are taken")
            }
            service.id = free
        }
        try checkBackends(of: service.request)
        put(service)
    }
}
