import Addresses

/// What a file declares: all services of its origin, and the mode where it says one.
public struct DeclaredState: Equatable, Sendable {
    /// Nil: it stays what it is.
    public var mode: Mode?
    public var services: [ServiceRequest]

    public init(mode: Mode? = nil, services: [ServiceRequest]) {
        self.mode = mode
        self.services = services
    }
}

extension DesiredState {
    /// Makes an origin's services those that are declared, and leaves those of others alone. All of it is done, or
    /// nothing where it throws; the error names the service's place.
    ///
    /// A service keeps its id, a new one without an id gets a free one. One that a command has set is taken over
    /// where it is the same, else refused. `trial`: it is to be taken back unless it is confirmed; without it,
    /// whatever waits for a confirmation is confirmed.
    @discardableResult
    public mutating func apply(
        _ declared: DeclaredState, origin: Origin, trial time: Trial.Time? = nil
    ) throws(BalancerError) -> StateChange {
        try declared.checkRepeated()
        var next = self
        next.mode = declared.mode ?? mode
        let frontends = Set(declared.services.map(\.frontend))
        for service in services.values where service.origin == origin && !frontends.contains(service.frontend) {
            next.remove(service)
        }
        var free = FreeIDs(reserved: Set(declared.services.compactMap(\.id)))
        for (place, request) in declared.services.enumerated() {
            do throws(BalancerError) {
                try next.place(request, origin: origin, free: &free)
            } catch {
                throw error.of(place)
            }
        }
        try next.checkLimits(from: self)
        // Those that are not declared have to get along with the mode as well.
        if next.mode != mode { try next.setMode(next.mode) }
        let change = StateChange(from: self, to: next)
        next.trial = time.flatMap { Trial($0, of: change, origin: origin, before: self) }
        self = next
        return change
    }

    private mutating func place(
        _ request: ServiceRequest, origin: Origin, free: inout FreeIDs
    ) throws(BalancerError) {
        let existing = service(of: request.frontend)
        try checkID(of: request, existing: existing)
        try checkBackends(of: request)
        guard let id = existing?.id ?? request.id ?? free.next(in: services) else {
            throw .refused("all 65535 service ids are taken: delete a service first")
        }
        let service = Service(request, id: id, origin: origin, overrides: existing?.overrides ?? [:])
        guard let existing else { return put(service) }
        let isSame = service.isSame(as: existing)
        if existing.origin != origin, !isSame {
            throw .refused(
                "\(request.frontend) belongs to the \(existing.origin.rawValue), where it is not the same: declare it as 'l4lb export' shows it to take it over, or delete service \(id) first"
            )
        }
        if isSame {
            // The order in which lists were given is no change.
            var kept = existing
            kept.origin = origin
            put(kept)
        } else {
            put(service)
        }
    }

    private func checkLimits(from old: Self) throws(BalancerError) {
        guard services.count <= mapMax else {
            throw .refused("\(services.count) services, \(mapMax) are the most (--bpf-lb-map-max)")
        }
        guard backendCount <= mapMax else {
            throw .refused("\(backendCount) backends over all services, \(mapMax) are the most (--bpf-lb-map-max)")
        }
        // New entries come into the maps before old ones leave; only a service whose id goes to another leaves first.
        var entries = old.services.count
        var ranges = old.sourceRangeCount
        for service in services.values {
            let before = old.service(of: service.frontend)
            if before == nil { entries += old.services[service.id] == nil ? 1 : 0 }
            ranges += Set(service.sourceRanges).subtracting(before?.sourceRanges ?? []).count
        }
        guard entries <= mapMax else {
            throw .refused(
                "\(entries) services, with those to be removed, \(mapMax) are the most (--bpf-lb-map-max): remove some first, then add the others"
            )
        }
        guard ranges <= Self.sourceRangesMax else {
            throw .refused(
                "\(ranges) source ranges over all services, with those to be replaced, \(Self.sourceRangesMax) are the most"
            )
        }
    }
}

extension DeclaredState {
    /// Each frontend and each id once.
    fileprivate func checkRepeated() throws(BalancerError) {
        var frontends: [Frontend: Int] = [:]
        var ids: [UInt16: Frontend] = [:]
        for (place, service) in services.enumerated() {
            if let first = frontends.updateValue(place, forKey: service.frontend) {
                throw .usage("--frontend: \(service.frontend) is that of services[\(first)] already").of(place)
            }
            if let id = service.id, let owner = ids.updateValue(service.frontend, forKey: id) {
                throw .usage("--id: \(id) is that of \(owner) already").of(place)
            }
        }
    }
}

extension BalancerError {
    /// The same about a service of a list.
    public func of(_ place: Int) -> Self {
        var error = self
        error.service = place
        return error
    }
}

/// Ids for services that say none, from the lowest on.
private struct FreeIDs {
    /// Those that others will get.
    var reserved: Set<UInt16>
    private var candidate: UInt32 = 1

    init(reserved: Set<UInt16>) {
        self.reserved = reserved
    }

    mutating func next(in services: [UInt16: Service]) -> UInt16? {
        while let id = UInt16(exactly: candidate) {
            candidate += 1
            if services[id] == nil, !reserved.contains(id) { return id }
        }
        return nil
    }
}
