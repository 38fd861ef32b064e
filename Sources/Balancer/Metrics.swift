import Addresses

/// All that the agent tells of itself to who asks often: none of it takes a look at the flow tables.
public struct Metrics: Sendable {
    public struct Device: Equatable, Sendable {
        public var name: String
        public var isNative: Bool
        public var programID: UInt32

        public init(name: String, isNative: Bool, programID: UInt32) {
            self.name = name
            self.isNative = isNative
            self.programID = programID
        }
    }

    /// One family's flow table.
    public struct Table: Equatable, Sendable {
        public var isIPv6: Bool
        /// Connections: in use, also by what has ended until it is collected, and the most.
        public var used, size: Int
        /// Of the kernel's memory.
        public var bytes: Int

        public init(isIPv6: Bool, used: Int, size: Int, bytes: Int) {
            self.isIPv6 = isIPv6
            self.used = used
            self.size = size
            self.bytes = bytes
        }
    }

    /// The next hops of the backends.
    public struct Neighbours: Equatable, Sendable {
        public var known = 0
        /// Those that have not answered yet.
        public var missing = 0
        /// Addresses of backends that no route leads to.
        public var unreachableBackends = 0

        public init() {}
    }

    /// How often some work of the agent's was done.
    public struct Work: Equatable, Sendable {
        public var count: UInt64 = 0
        public var failures: UInt64 = 0
        public var seconds = 0.0

        public init() {}

        public mutating func add(_ time: Duration, failed: Bool) {
            count += 1
            if failed { failures += 1 }
            seconds += time / .seconds(1)
        }
    }

    /// The agent's process, as the kernel sees it. Times in seconds, the start since 1970.
    public struct Process: Equatable, Sendable {
        public var cpu = 0.0
        public var start = 0.0
        public var virtualBytes: UInt64 = 0
        public var residentBytes: UInt64 = 0
        public var openFiles = 0
        public var openFilesLimit: UInt64 = 0

        public init() {}
    }

    public var isReady: Bool
    public var mode: Mode
    /// The paths that the running program has.
    public var paths: Paths
    public var devices: [Device]
    public var tables: [Table]
    /// When the flow tables were read: seconds since the agent's start, and since 1970.
    public var uptime, collected: Double
    public var connections: [Mode: Int]
    public var services: [ServiceMetrics]
    /// Of the backends that have the fewest left.
    public var snatPorts: [SNATPortUse]
    public var neighbours: Neighbours
    public var drops: [DropReason: UInt64]
    public var events: [EventCounter: UInt64]
    public var reconciliations, compilations: Work
    public var process: Process

    public init(
        isReady: Bool, mode: Mode, paths: Paths, devices: [Device], tables: [Table], uptime: Double,
        collected: Double, connections: [Mode: Int], services: [ServiceMetrics], snatPorts: [SNATPortUse],
        neighbours: Neighbours, drops: [DropReason: UInt64], events: [EventCounter: UInt64],
        reconciliations: Work, compilations: Work, process: Process
    ) {
        self.isReady = isReady
        self.mode = mode
        self.paths = paths
        self.devices = devices
        self.tables = tables
        self.uptime = uptime
        self.collected = collected
        self.connections = connections
        self.services = services
        self.snatPorts = snatPorts
        self.neighbours = neighbours
        self.drops = drops
        self.events = events
        self.reconciliations = reconciliations
        self.compilations = compilations
        self.process = process
    }
}

/// What is measured of one service and its backends.
public struct ServiceMetrics: Sendable {
    public struct Backend: Sendable {
        public var backend: Balancer.Backend
        /// Living ones.
        public var connections: Int
        public var traffic: Traffic
        /// False where no reply ever passed here, as in DSR.
        public var hasReplies: Bool
        /// Nil where it is not checked.
        public var health: BackendHealth?
    }

    public var service: Service
    /// Of its new connections.
    public var mode: Mode
    /// Living ones, also those on backends that have left.
    public var connections = ConnectionCounts()
    /// Since it was created, by backends that have left too.
    public var traffic: Traffic
    /// Those that are not zero.
    public var drops: [DropReason: UInt64] = [:]
    public var backends: [Backend] = []

    /// False where no reply ever passed here, as in DSR: a zero would be a lie.
    public var hasReplies: Bool { mode == .snat || traffic.replyPackets > 0 }

    private init(_ service: Service, mode: Mode, departed: ServiceCounters) {
        self.service = service
        self.mode = mode
        traffic = Traffic(departed)
    }

    /// All services, by id. Drops are counted elsewhere.
    public static func all(
        of state: DesiredState, indices: BackendIndices, measurement: Measurement, departed: DepartedTotals,
        health: HealthBook = HealthBook()
    ) -> [Self] {
        var found: [UInt16: Self] = [:]
        for service in state.services.values {
            let mode = state.mode(of: service)
            var metrics = Self(service, mode: mode, departed: departed[service.frontend])
            metrics.backends = service.backends.map { backend in
                let key = BackendKey(frontend: service.frontend, backend: backend.endpoint)
                let index = indices[key]
                let traffic = index.map(measurement.traffic(at:)) ?? Traffic()
                return Backend(
                    backend: backend, connections: index.map(measurement.census.connections(at:)) ?? 0,
                    traffic: traffic, hasReplies: mode == .snat || traffic.replyPackets > 0, health: health[key])
            }
            found[service.id] = metrics
        }
        for (key, index) in indices.all {
            guard let id = state.service(of: key.frontend)?.id else { continue }
            found[id]?.traffic += measurement.traffic(at: index)
            if let use = measurement.census.backends[index] { found[id]?.connections += use.connections }
        }
        return found.values.sorted { $0.service.id < $1.service.id }
    }
}
