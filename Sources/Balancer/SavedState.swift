import Addresses

/// What an agent keeps for the one after it: what users asked for by command, and the places of backends, which
/// living connections name. Addresses are text as users write them.
public struct SavedState: Equatable, Codable, Sendable {
    public var mode: String
    public var services: [SavedService]
    public var places: [SavedPlace]
    public var trial: SavedTrial?
    /// Left out where there is none.
    public var down: [SavedDown]?

    public struct SavedService: Equatable, Codable, Sendable {
        public var id: UInt16
        public var frontend: String
        public var backends: [SavedBackend]
        public var algorithm: String
        public var affinity: UInt32?
        public var sourceRanges: [String]
        public var sourceRangesPolicy: String
        public var mode: String?
        public var maxNewConnections: UInt32?
        /// Left out before there were any.
        public var healthCheck: SavedHealthCheck?
        public var origin: String
    }

    /// The texts that `service update` takes.
    public struct SavedHealthCheck: Equatable, Codable, Sendable {
        public var check: String
        public var port, status: String?
        public var interval, timeout, rise, fall, panicThreshold: String
    }

    /// A backend that was found dead.
    public struct SavedDown: Equatable, Codable, Sendable {
        public var frontend: String
        public var backend: String
        public var reason: String
    }

    public struct SavedBackend: Equatable, Codable, Sendable {
        public var endpoint: String
        public var weight: UInt16
        public var state: String
        public var override: String?
    }

    /// A backend's place in the map `backends`, also one that has left and still has connections.
    public struct SavedPlace: Equatable, Codable, Sendable {
        public var frontend: String
        public var backend: String
        public var index: UInt16
        /// The id that its service has or had.
        public var service: UInt16?
    }

    /// What waits for its confirmation, and what comes back without it.
    public struct SavedTrial: Equatable, Codable, Sendable {
        public var deadline: Int64
        public var seconds: Int64
        public var origin: String
        public var services: [SavedService]
        public var oldMode: String
        public var newMode: String
    }
}

extension SavedState {
    public init(
        _ state: DesiredState, indices: BackendIndices, serviceIDs: [Frontend: UInt16], down: [BackendKey: String] = [:]
    ) {
        let parts = state.sortedServices.map { SavedPart($0, places: indices.places(of: $0)) }
        self.init(rest: state, departed: indices.departed(from: state), serviceIDs: serviceIDs, down: down)
        for part in parts { add(part) }
        places.sort { $0.index < $1.index }
    }

    /// All but the services, and the places of their backends.
    public init(
        rest state: DesiredState, departed: [BackendKey: UInt16], serviceIDs: [Frontend: UInt16],
        down: [BackendKey: String]
    ) {
        mode = state.mode.rawValue
        services = []
        places = departed.sorted { $0.value < $1.value }.map { key, index in
            SavedPlace(
                frontend: "\(key.frontend)", backend: "\(key.backend)", index: index,
                service: state.service(of: key.frontend)?.id ?? serviceIDs[key.frontend])
        }
        trial = state.trial.map(SavedTrial.init)
        let dead = down.sorted { ($0.key.frontend, $0.key.backend) < ($1.key.frontend, $1.key.backend) }.map {
            SavedDown(frontend: "\($0.frontend)", backend: "\($0.backend)", reason: $1)
        }
        self.down = dead.isEmpty ? nil : dead
    }

    public mutating func add(_ part: SavedPart) {
        services.append(part.service)
        places += part.places
    }

    /// A service, and the places of its backends.
    public struct SavedPart: Equatable, Codable, Sendable {
        public var service: SavedService
        public var places: [SavedPlace]

        public init(_ service: Service, places: [UInt16?]) {
            self.service = SavedService(service)
            let frontend = "\(service.frontend)"
            self.places = zip(service.backends, places).compactMap { backend, index in
                index.map {
                    SavedPlace(frontend: frontend, backend: "\(backend.endpoint)", index: $0, service: service.id)
                }
            }
        }
    }

    /// What was saved, as values again; nil where a text means nothing.
    public func restored(mapMax: Int) throws(BalancerError) -> Restored? {
        guard let mode = Mode(rawValue: mode) else { return nil }
        var restored: [Service] = []
        for saved in services {
            guard let service = saved.service else { return nil }
            restored.append(service)
        }
        var indices: [BackendKey: UInt16] = [:]
        var serviceIDs: [Frontend: UInt16] = [:]
        for place in places {
            guard let frontend = Frontend(place.frontend), let backend = Endpoint(place.backend) else { return nil }
            indices[BackendKey(frontend: frontend, backend: backend)] = place.index
            if let id = place.service { serviceIDs[frontend] = id }
        }
        guard let places = BackendIndices(capacity: mapMax, places: indices) else {
            throw .refused(
                "--bpf-lb-map-max: \(mapMax) is fewer than the places of backends in use: give a larger one")
        }
        var state = try DesiredState(mode: mode, mapMax: mapMax, services: restored)
        if let trial {
            guard let trial = trial.trial else { return nil }
            state.trial = trial
        }
        var dead: [BackendKey: String] = [:]
        for entry in down ?? [] {
            guard let frontend = Frontend(entry.frontend), let backend = Endpoint(entry.backend) else { return nil }
            dead[BackendKey(frontend: frontend, backend: backend)] = entry.reason
        }
        return Restored(state: state, indices: places, serviceIDs: serviceIDs, down: dead)
    }

    public struct Restored: Sendable {
        public var state: DesiredState
        public var indices: BackendIndices
        public var serviceIDs: [Frontend: UInt16]
        public var down: [BackendKey: String]

        public init(
            state: DesiredState, indices: BackendIndices, serviceIDs: [Frontend: UInt16] = [:],
            down: [BackendKey: String] = [:]
        ) {
            self.state = state
            self.indices = indices
            self.serviceIDs = serviceIDs
            self.down = down
        }
    }
}

extension SavedState.SavedService {
    fileprivate init(_ service: Service) {
        id = service.id
        frontend = "\(service.frontend)"
        backends = service.backends.map {
            .init(
                endpoint: "\($0.endpoint)", weight: $0.weight, state: $0.configuredState.rawValue,
                override: $0.override?.rawValue)
        }
        algorithm = service.algorithm.rawValue
        affinity = service.affinity
        sourceRanges = service.sourceRanges.map(\.description)
        sourceRangesPolicy = service.sourceRangesPolicy.rawValue
        mode = service.mode?.rawValue
        maxNewConnections = service.maxNewConnections
        healthCheck = service.healthCheck.map(SavedState.SavedHealthCheck.init)
        origin = service.origin.rawValue
    }

    fileprivate var service: Service? {
        guard let frontend = Frontend(frontend), let algorithm = Algorithm(rawValue: algorithm),
            let policy = SourceRangesPolicy(rawValue: sourceRangesPolicy), let origin = Origin(rawValue: origin)
        else { return nil }
        let backends = backends.compactMap { saved -> Backend? in
            let override = saved.override.map(BackendState.init(rawValue:))
            guard let endpoint = Endpoint(saved.endpoint), let state = BackendState(rawValue: saved.state),
                override != .some(nil)
            else { return nil }
            return Backend(endpoint, weight: saved.weight, state: state, override: override ?? nil)
        }
        let ranges = sourceRanges.compactMap(IPPrefix.init)
        let mode = self.mode.map(Mode.init(rawValue:))
        let health = healthCheck.map(\.value)
        guard id > 0, backends.count == self.backends.count, ranges.count == sourceRanges.count, mode != .some(nil),
            health != .some(nil)
        else { return nil }
        return Service(
            id: id, frontend: frontend, backends: backends, algorithm: algorithm, affinity: affinity,
            sourceRanges: ranges, sourceRangesPolicy: policy, mode: mode ?? nil, maxNewConnections: maxNewConnections,
            healthCheck: health ?? nil, origin: origin)
    }
}

extension SavedState.SavedHealthCheck {
    fileprivate init(_ check: HealthCheck) {
        let texts = HealthCheck.Texts(check)
        self.init(
            check: texts.check ?? "", port: texts.port, status: texts.status, interval: texts.interval ?? "",
            timeout: texts.timeout ?? "", rise: texts.rise ?? "", fall: texts.fall ?? "",
            panicThreshold: texts.panicThreshold ?? "")
    }

    fileprivate var value: HealthCheck? {
        let texts = HealthCheck.Texts(
            check: check, port: port, status: status, interval: interval, timeout: timeout, rise: rise, fall: fall,
            panicThreshold: panicThreshold)
        return (try? HealthCheck.read(texts)) ?? nil
    }
}

extension SavedState.SavedTrial {
    fileprivate init(_ trial: Trial) {
        deadline = trial.deadline
        seconds = trial.seconds
        origin = trial.origin.rawValue
        services = trial.before.map(SavedState.SavedService.init)
        oldMode = trial.oldMode.rawValue
        newMode = trial.newMode.rawValue
    }

    fileprivate var trial: Trial? {
        let before = services.compactMap(\.service)
        guard let origin = Origin(rawValue: origin), let oldMode = Mode(rawValue: oldMode),
            let newMode = Mode(rawValue: newMode), before.count == services.count
        else { return nil }
        return Trial(
            deadline: deadline, seconds: seconds, origin: origin, before: before, oldMode: oldMode, newMode: newMode)
    }
}
