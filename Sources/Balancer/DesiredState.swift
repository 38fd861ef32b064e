import Addresses
import CDataplane

/// What the user asked for: a value, changed as a whole or not at all.
public struct DesiredState: Equatable, Sendable {
    /// The mode of new connections, where a service has none of its own.
    public internal(set) var mode: Mode
    /// The most services, and the most backends over all services (`--bpf-lb-map-max`).
    public let mapMax: Int
    public private(set) var services: [UInt16: Service] = [:]
    /// What waits for its confirmation.
    public internal(set) var trial: Trial?
    private var ids: [Frontend: UInt16] = [:]
    private(set) var backendCount = 0
    private(set) var sourceRangeCount = 0

    public static let defaultMapMax = Int(L4LB_MAP_MAX)
    /// The most source ranges over all services.
    public static let sourceRangesMax = Int(L4LB_SOURCE_RANGES_MAX)

    public init(mode: Mode, mapMax: Int = Self.defaultMapMax) {
        self.mode = mode
        self.mapMax = mapMax
    }

    /// Services that were checked when they were made, as an earlier agent had them.
    init(mode: Mode, mapMax: Int, services: [Service]) throws(BalancerError) {
        self.init(mode: mode, mapMax: mapMax)
        for service in services { put(service) }
        guard services.count <= mapMax, backendCount <= mapMax else {
            throw .refused(
                "--bpf-lb-map-max: \(mapMax) is fewer than the \(services.count) services with \(backendCount) backends that were set: give a larger one"
            )
        }
    }

    /// By id.
    public var sortedServices: [Service] { services.values.sorted { $0.id < $1.id } }

    public func mode(of service: Service) -> Mode { service.mode ?? mode }

    /// Changes the mode that services without one of their own follow.
    public mutating func setMode(_ mode: Mode) throws(BalancerError) {
        if mode == .snat, let mixed = sortedServices.first(where: { $0.mode == nil && $0.otherFamily != nil }) {
            throw .refused(
                "mode update: service \(mixed.id) (\(mixed.frontend)) has backends of another family, which only DSR reaches: give it --mode=dsr, or delete it first"
            )
        }
        self.mode = mode
    }

    public func service(id: UInt16) throws(BalancerError) -> Service {
        guard let service = services[id] else {
            throw .notFound("no service has id \(id): see 'service list'")
        }
        return service
    }

    public func service(of frontend: Frontend) -> Service? { ids[frontend].flatMap { services[$0] } }

    public enum Outcome: Equatable, Sendable {
        case created(Service)
        case replaced(Service)

        public var service: Service {
            switch self {
            case .created(let service), .replaced(let service): service
            }
        }
    }

    /// Creates the frontend's service, or replaces it as a whole.
    public mutating func update(_ request: ServiceRequest, origin: Origin) throws(BalancerError) -> Outcome {
        let existing = service(of: request.frontend)
        if let existing, existing.origin != origin {
            throw .refused("\(request.frontend) belongs to the \(existing.origin.rawValue): change it there")
        }
        try checkID(of: request, existing: existing)
        try checkBackends(of: request)
        if existing == nil, services.count >= mapMax {
            throw .refused("\(mapMax) services are the most (--bpf-lb-map-max): delete one first")
        }
        let count = backendCount - (existing?.backends.count ?? 0) + request.backends.count
        guard count <= mapMax else {
            throw .refused("--backends: \(count) backends over all services, \(mapMax) are the most (--bpf-lb-map-max)")
        }
        // The map holds the old ones until the new ones are in place.
        let old = existing?.sourceRanges ?? []
        let ranges = sourceRangeCount - old.count + Set(old).union(request.sourceRanges).count
        guard ranges <= Self.sourceRangesMax else {
            throw .refused(
                "--source-ranges: \(ranges) over all services, with those to be replaced, \(Self.sourceRangesMax) are the most"
            )
        }
        guard let id = existing?.id ?? request.id ?? freeID() else {
            throw .refused("all 65535 service ids are taken: delete a service first")
        }
        let service = Service(request, id: id, origin: origin, overrides: existing?.overrides ?? [:])
        put(service)
        return existing == nil ? .created(service) : .replaced(service)
    }

    /// A frontend keeps its id, and an id has one frontend.
    func checkID(of request: ServiceRequest, existing: Service?) throws(BalancerError) {
        guard let id = request.id else { return }
        if let existing, id != existing.id {
            throw .refused("--id: \(request.frontend) has id \(existing.id) already: use that one, or leave --id out")
        }
        if let owner = services[id], owner.frontend != request.frontend {
            throw .refused("--id: \(id) belongs to \(owner.frontend): choose another one, or leave --id out")
        }
    }

    func checkBackends(of request: ServiceRequest) throws(BalancerError) {
        let frontend = request.frontend.endpoint
        let own = request.backends.first {
            frontend.isAllPorts ? $0.endpoint.address == frontend.address : $0.endpoint == frontend
        }
        if let own {
            throw .refused("--backends: \(own.endpoint) is the frontend itself")
        }
        if request.mode ?? mode == .snat, let other = request.otherFamily {
            throw .refused(
                "--backends: \(other) is \(other.address.familyName) and the frontend \(frontend.address.familyName), which only DSR brings together: add --mode=dsr, or give an \(frontend.address.familyName) backend"
            )
        }
    }

    public mutating func delete(id: UInt16, origin: Origin) throws(BalancerError) -> Service {
        let service = try service(id: id)
        guard service.origin == origin else {
            throw .refused("\(service.frontend) belongs to the \(service.origin.rawValue): change it there")
        }
        remove(service)
        return service
    }

    /// Puts a service in the place of the one that its frontend, which keeps its id, has had.
    mutating func put(_ service: Service) {
        if let old = services.updateValue(service, forKey: service.id) { forget(old) }
        ids[service.frontend] = service.id
        backendCount += service.backends.count
        sourceRangeCount += service.sourceRanges.count
    }

    mutating func remove(_ service: Service) {
        services[service.id] = nil
        forget(service)
    }

    private mutating func forget(_ service: Service) {
        ids[service.frontend] = nil
        backendCount -= service.backends.count
        sourceRangeCount -= service.sourceRanges.count
    }

    /// Sets an operator's state for a backend, or undoes it (nil), in one service or in all that have it; gives those
    /// services back. It holds whoever the services are of, and until it is undone or the backend leaves.
    public mutating func setState(
        _ state: BackendState?, of backend: Endpoint, service id: UInt16? = nil
    ) throws(BalancerError) -> [Service] {
        let all = try id.map { id throws(BalancerError) in [try service(id: id)] } ?? sortedServices
        var changed: [Service] = []
        for var service in all {
            guard let place = service.backends.firstIndex(where: { $0.endpoint == backend }) else { continue }
            service.backends[place].override = state
            services[service.id] = service
            changed.append(service)
        }
        guard !changed.isEmpty else { throw noSuchBackend(backend, service: id) }
        return changed
    }

    /// The services that have a backend, by id.
    public func services(with backend: Endpoint) throws(BalancerError) -> [Service] {
        let found = sortedServices.filter { $0.backends.contains { $0.endpoint == backend } }
        guard !found.isEmpty else { throw noSuchBackend(backend, service: nil) }
        return found
    }

    private func noSuchBackend(_ backend: Endpoint, service: UInt16?) -> BalancerError {
        .notFound(
            "\(service.map { "service \($0)" } ?? "no service") has \(service == nil ? "" : "no ")backend \(backend): see 'backend list'"
        )
    }

    private func freeID() -> UInt16? {
        (1...UInt16.max).first { services[$0] == nil }
    }
}
