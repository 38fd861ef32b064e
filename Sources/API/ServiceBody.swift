import Balancer
import Foundation

/// A service as a request's body has it: the fields of `ServiceReport` that a user sets. What is left out takes its
/// default, as with `service update`.
struct ServiceBody: Codable {
    struct BackendEntry: Codable {
        var backend: String
        var weight: UInt16?
        var state: String?

        enum CodingKeys: String, CodingKey, CaseIterable {
            case backend, weight, state
        }

        init(_ backend: Backend) {
            self.backend = backend.endpoint.description
            weight = backend.weight
            state = backend.configuredState.rawValue
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.fields(CodingKeys.self)
            backend = try fields.decode(String.self, forKey: .backend)
            weight = try fields.number(.weight)
            state = try fields.decodeIfPresent(String.self, forKey: .state)
        }
    }

    var id: UInt16?
    var frontend: String
    var backends: [BackendEntry]
    var ownMode: String?
    var algorithm: String?
    var affinitySeconds: UInt32?
    var sourceRanges: [String]?
    var sourceRangesPolicy: String?
    var maxNewConnections: UInt32?
    var healthCheck: HealthCheckBody?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case id, frontend, backends, algorithm
        case ownMode = "own_mode"
        case affinitySeconds = "affinity_seconds"
        case sourceRanges = "source_ranges"
        case sourceRangesPolicy = "source_ranges_policy"
        case maxNewConnections = "max_new_connections"
        case healthCheck = "health_check"
    }

    init(_ request: ServiceRequest) {
        id = request.id
        frontend = request.frontend.description
        backends = request.backends.map(BackendEntry.init)
        ownMode = request.mode?.rawValue
        algorithm = request.algorithm.rawValue
        affinitySeconds = request.affinity
        sourceRanges = request.sourceRanges.map(\.description)
        sourceRangesPolicy = request.sourceRangesPolicy.rawValue
        maxNewConnections = request.maxNewConnections
        healthCheck = request.healthCheck.map(HealthCheckBody.init)
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(CodingKeys.self)
        id = try fields.number(.id)
        frontend = try fields.decode(String.self, forKey: .frontend)
        backends = try fields.decode([BackendEntry].self, forKey: .backends)
        ownMode = try fields.decodeIfPresent(String.self, forKey: .ownMode)
        algorithm = try fields.decodeIfPresent(String.self, forKey: .algorithm)
        affinitySeconds = try fields.number(.affinitySeconds)
        sourceRanges = try fields.decodeIfPresent([String].self, forKey: .sourceRanges)
        sourceRangesPolicy = try fields.decodeIfPresent(String.self, forKey: .sourceRangesPolicy)
        maxNewConnections = try fields.number(.maxNewConnections)
        healthCheck = try fields.decodeIfPresent(HealthCheckBody.self, forKey: .healthCheck)
    }

    /// The request that it stands for, checked as the command's options are.
    func request() throws(APIError) -> ServiceRequest {
        guard !backends.isEmpty else { throw APIError(.invalid, "backends: none is given: name at least one") }
        // Its lists are items of their own here; the command's are texts with commas.
        for entry in backends where entry.backend.contains(",") {
            throw APIError(.invalid, "backends: \(quoted(entry.backend)) is not an IP address and port")
        }
        for range in sourceRanges ?? [] where range.contains(",") {
            throw APIError(.invalid, "source_ranges: \(quoted(range)) is not a prefix")
        }
        for state in backends.compactMap(\.state) where BackendState(rawValue: state) == nil {
            throw APIError(.invalid, "backends.state: \(quoted(state)) is not active, draining or maintenance")
        }
        let ranges = sourceRanges ?? []
        let health = try healthCheck?.texts() ?? HealthCheck.Texts()
        do {
            return try ServiceRequest(
                .init(
                    id: id.map(String.init), frontend: frontend,
                    backends: backends.map(\.backend).joined(separator: ","),
                    weights: backends.map { String($0.weight ?? 1) }.joined(separator: ","),
                    states: backends.map { $0.state ?? BackendState.active.rawValue }.joined(separator: ","),
                    algorithm: algorithm, affinity: affinitySeconds.map(String.init),
                    sourceRanges: ranges.isEmpty ? nil : ranges.joined(separator: ","),
                    sourceRangesPolicy: sourceRangesPolicy, mode: ownMode,
                    maxNewConnections: maxNewConnections.map(String.init), health: health))
        } catch {
            let (field, text) = Self.named(error.description)
            throw APIError(.init(error.kind), text, field: field)
        }
    }

    /// An error of the command's option, as one of the field.
    static func named(_ text: String) -> (field: String?, text: String) {
        let fields = [
            "--id": "id", "--frontend": "frontend", "--backends": "backends", "--backend-weights": "backends.weight",
            "--states": "backends.state", "--algorithm": "algorithm", "--affinity": "affinity_seconds",
            "--source-ranges": "source_ranges", "--source-ranges-policy": "source_ranges_policy",
            "--mode": "own_mode", "--max-new-connections": "max_new_connections",
            "--health-check": "health_check.path", "--health-port": "health_check.port",
            "--health-status": "health_check.status", "--health-interval": "health_check.interval_seconds",
            "--health-timeout": "health_check.timeout_seconds", "--health-rise": "health_check.rise",
            "--health-fall": "health_check.fall", "--health-panic-threshold": "health_check.panic_threshold_percent",
        ]
        guard let colon = text.firstIndex(of: ":"), let field = fields[String(text[..<colon])] else {
            return (nil, text)
        }
        return (field, field + text[colon...])
    }
}
