import Addresses
import CDataplane

/// What the user asked for: a value, changed as a whole or not at all.
public struct DesiredState: Equatable, Sendable {
    /// The mode of new connections.
    public var mode: Mode
    /// The most services, and the most backends over all services (`--bpf-lb-map-max`).
    public let mapMax: Int
    public private(set) var services: [UInt16: Service] = [:]
    private var ids: [Frontend: UInt16] = [:]
    private var backendCount = 0
    private var sourceRangeCount = 0

    public static let defaultMapMax = Int(L4LB_MAP_MAX)
    /// The most source ranges over all services.
    public static let sourceRangesMax = Int(L4LB_SOURCE_RANGES_MAX)

    public init(mode: Mode, mapMax: Int = Self.defaultMapMax) {
        self.mode = mode
        self.mapMax = mapMax
    }

    /// By id.
    public var sortedServices: [Service] { services.values.sorted { $0.id < $1.id } }

    public func service(id: UInt16) throws(BalancerError) -> Service {
        guard let service = services[id] else {
            throw .refused("no service has id \(id): see 'service list'")
        }
        return service
    }

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
        let existing = ids[request.frontend].flatMap { services[$0] }
        if let existing, existing.origin != origin {
            throw .refused("\(request.frontend) belongs to the \(existing.origin.rawValue): change it there")
        }
        if let existing, let id = request.id, id != existing.id {
            throw .refused("--id: \(request.frontend) has id \(existing.id) already: use that one, or leave --id out")
        }
        if let id = request.id, let owner = services[id], owner.frontend != request.frontend {
            throw .refused("--id: \(id) belongs to \(owner.frontend): choose another one, or leave --id out")
        }
        if let own = request.backends.first(where: { $0.endpoint == request.frontend.endpoint }) {
            throw .refused("--backends: \(own.endpoint) is the frontend itself")
        }
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
        let service = Service(
            id: id, frontend: request.frontend, backends: request.backends, algorithm: request.algorithm,
            affinity: request.affinity, sourceRanges: request.sourceRanges, origin: origin)
        services[id] = service
        ids[service.frontend] = id
        backendCount = count
        sourceRangeCount += service.sourceRanges.count - old.count
        return existing == nil ? .created(service) : .replaced(service)
    }

    public mutating func delete(id: UInt16, origin: Origin) throws(BalancerError) -> Service {
        let service = try service(id: id)
        guard service.origin == origin else {
            throw .refused("\(service.frontend) belongs to the \(service.origin.rawValue): change it there")
        }
        services[id] = nil
        ids[service.frontend] = nil
        backendCount -= service.backends.count
        sourceRangeCount -= service.sourceRanges.count
        return service
    }

    private func freeID() -> UInt16? {
        (1...UInt16.max).first { services[$0] == nil }
    }
}
