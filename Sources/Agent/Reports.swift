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
            service: service, mode: state.mode, connections: connections,
            backends: places.map { totals.report($0, at: $1, census: census) })
    }

    /// What `service list` shows beside the service itself.
    public func connectionCounts() throws -> [UInt16: Int] {
        let census = FlowCensus(try dataplane.snapshot())
        var counts: [UInt16: Int] = [:]
        let ids = Dictionary(uniqueKeysWithValues: state.services.values.map { ($0.frontend, $0.id) })
        for (index, count) in census.byBackend {
            guard let key = indices.key(at: index), let id = ids[key.frontend] else { continue }
            counts[id, default: 0] += count
        }
        return counts
    }

    public struct NeighbourReport: Sendable {
        public var address: IPAddress
        public var device: String
        /// Nil while it has not answered.
        public var linkAddress: LinkAddress?
        /// The backends that are reached by it.
        public var backends: [IPv4Address]
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

        public var mode: Mode
        /// The modes whose paths the running program has.
        public var paths: [Mode]
        public var devices: [AttachedDevice]
        public var services: Int
        public var backends: Int
        public var connections: [Mode: Int]
        /// Connections that the flow table has room for, slots of it in use, and its bytes.
        public var flowTableSize, flowTableSlotsUsed, flowTableSlots, flowTableBytes: Int
        public var drops: [DropReason: UInt64]
        public var events: [EventCounter: UInt64]
    }

    public func status() throws -> Status {
        let census = FlowCensus(try dataplane.snapshot())
        var drops: [DropReason: UInt64] = [:]
        for reason in DropReason.allCases { drops[reason] = try dataplane.counter(reason.counter) }
        var events: [EventCounter: UInt64] = [:]
        for event in EventCounter.allCases { events[event] = try dataplane.counter(event.counter) }
        return Status(
            mode: state.mode, paths: Mode.allCases.filter(dataplane.paths.contains),
            devices: dataplane.attachments.map {
                .init(device: $0.device, isNative: $0.isNative, programID: $0.program.id)
            },
            services: state.services.count, backends: state.services.values.map(\.backends.count).reduce(0, +),
            connections: census.connections, flowTableSize: options.flowTableSize,
            flowTableSlotsUsed: census.slots, flowTableSlots: dataplane.maps.sizes.slots,
            flowTableBytes: dataplane.maps.sizes.flowTableBytes, drops: drops, events: events)
    }
}
