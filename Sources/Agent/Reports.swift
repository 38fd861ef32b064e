import Addresses
import Balancer

/// The commands that only read.
extension LoadBalancer {
    /// What `service dumpstate` shows.
    public struct Dump: Sendable {
        public var service: Service
        public var mode: Mode
        public var connections: [Connection]
        public var backends: [BackendReport]
    }

    public func dump(id: UInt16) throws -> Dump {
        let service = try state.service(id: id)
        let snapshot = try dataplane.snapshot()
        let census = FlowCensus(snapshot)
        let indices = indices
        let connections = snapshot.connections(
            where: { $0.frontend == service.frontend }, keys: { indices.key(at: $0) })
        let places = service.backends.map {
            ($0, indices[BackendKey(frontend: service.frontend, backend: $0.endpoint)])
        }
        let totals = BackendTotals(
            gone: dataplane.totals(of: places.compactMap(\.1)), flows: snapshot.flows.values)
        return Dump(
            service: service, mode: state.mode(of: service), connections: connections,
            backends: places.map { backend, place in
                var report = totals.report(backend, at: place, census: census)
                report.health = health[BackendKey(frontend: service.frontend, backend: backend.endpoint)]
                return report
            })
    }

    /// A service with what `service list` and `service get` show of it.
    public struct ServiceState: Sendable {
        public var service: Service
        /// Its own, or the agent's.
        public var mode: Mode
        public var counters: ServiceCounters
        /// That of all backends, this service's among them.
        public var health: HealthBook

        public init(service: Service, mode: Mode, counters: ServiceCounters, health: HealthBook = HealthBook()) {
            self.service = service
            self.mode = mode
            self.counters = counters
            self.health = health
        }
    }

    /// By id.
    public func serviceStates() throws -> [ServiceState] { try states(of: state.sortedServices) }

    public func serviceState(id: UInt16) throws -> ServiceState {
        let service = try state.service(id: id)
        return try states(of: [service])[0]
    }

    private func states(of services: [Service]) throws -> [ServiceState] {
        let snapshot = try dataplane.snapshot()
        let totals = BackendTotals(gone: dataplane.totals(of: indices.all.values), flows: snapshot.flows.values)
        let counters = totals.services(indices, census: FlowCensus(snapshot), departed: departedTotals)
        return try services.map { service in
            var own = counters[service.frontend] ?? departedTotals[service.frontend]
            own.drops = try dataplane.drops(of: service.id)
            return ServiceState(service: service, mode: state.mode(of: service), counters: own, health: health)
        }
    }

    public struct NeighbourReport: Sendable {
        public var address: IPAddress
        public var device: String
        /// Nil while it has not answered.
        public var linkAddress: LinkAddress?
        /// The backends that are reached by it.
        public var backends: [IPAddress]
    }

    /// The next hops of all backends.
    public func neighbours() throws -> [NeighbourReport] {
        try reconcile()
        var reports: [IPAddress: NeighbourReport] = [:]
        for (address, result) in reachability.sorted(by: { $0.key < $1.key }) {
            guard case .success(let hop) = result else { continue }
            let device = devices.first { $0.index == hop.interface }?.name ?? ""
            reports[
                hop.neighbour,
                default: NeighbourReport(
                    address: hop.neighbour, device: device, linkAddress: hop.linkAddress, backends: [])
            ].backends.append(address)
        }
        return reports.values.sorted { $0.address < $1.address }
    }

    public struct Status: Sendable {
        public struct AttachedDevice: Sendable {
            public var device: Device
            public var isNative: Bool
            public var programID: UInt32
        }

        /// One family's flow table.
        public struct TableUse: Sendable {
            /// Connections in use: what has ended too, until it is collected.
            public var used: Int
            public var bytes: Int
        }

        public var mode: Mode
        /// The paths that the running program has.
        public var paths: Paths
        public var compiled: ProgramOrigin
        public var devices: [AttachedDevice]
        public var services: Int
        public var backends: Int
        public var connections: [Mode: Int]
        /// Connections that a flow table was asked to have room for, and those that it has.
        public var flowTableSize, flowTablePlaces: Int
        public var flowTable: TableUse
        /// Nil where no service has needed IPv6 yet.
        public var flowTable6: TableUse?
        /// What that one takes, or will take.
        public var flowTable6Bytes: Int
        /// Of the backends that have the fewest left.
        public var snatPorts: [SNATPortUse]
        public var drops: [DropReason: UInt64]
        public var events: [EventCounter: UInt64]
    }

    public func status() throws -> Status {
        let snapshot = try dataplane.snapshot()
        let census = FlowCensus(snapshot)
        let sizes = dataplane.maps.sizes
        return Status(
            mode: state.mode, paths: dataplane.paths, compiled: compiler.origin,
            devices: dataplane.attachments.map {
                .init(device: $0.device, isNative: $0.isNative, programID: $0.program.id)
            },
            services: state.services.count, backends: state.services.values.map(\.backends.count).reduce(0, +),
            connections: census.connections, flowTableSize: options.flowTableSize, flowTablePlaces: sizes.records,
            flowTable: .init(used: census.table.records, bytes: sizes.flowTableBytes),
            flowTable6: dataplane.maps.ipv6 == nil
                ? nil : .init(used: census.table6.records, bytes: sizes.flowTable6Bytes),
            flowTable6Bytes: sizes.flowTable6Bytes,
            snatPorts: snapshot.snatPortUse(ports: dataplane.snatPortCount, sources: options.sources),
            drops: try drops(), events: try events())
    }
}
