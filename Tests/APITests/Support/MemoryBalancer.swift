import API
import Addresses

@testable import Balancer

/// A balancer without packets: what it is asked for is in memory.
actor MemoryBalancer: Balancing {
    private(set) var state = DesiredState(mode: .snat)
    /// Instead of every answer.
    private var failure: APIError?
    private var ready = true

    func fail(with error: APIError?) { failure = error }

    /// A service of a file, which commands may not change, with backends that SNAT does not reach.
    func addForeign() throws {
        try state.setMode(.dsr)
        let texts = ServiceRequest.Texts(id: "7", frontend: "40.1.1.7:80", backends: "[2001:db8::1]:80")
        _ = try state.update(ServiceRequest(texts), origin: .file)
    }

    func setReady(_ ready: Bool) { self.ready = ready }

    func update(_ request: ServiceRequest) throws -> ServiceUpdateReport {
        try check()
        return ServiceUpdateReport(try state.update(request, origin: .command), warnings: ["it is slow"])
    }

    func services() throws -> ServiceListReport {
        try check()
        return ServiceListReport(services: state.sortedServices.map(report))
    }

    func serviceIDs() throws -> [UInt16] {
        try check()
        return state.sortedServices.map(\.id)
    }

    func service(id: UInt16) throws -> ServiceReport {
        try check()
        return report(try state.service(id: id))
    }

    func connections(id: UInt16, limit: Int) throws -> DumpReport {
        try check()
        let service = try state.service(id: id)
        let connections = Mode.allCases.map { mode in
            Connection(
                client: Endpoint(.v4(IPv4Address("10.0.0.1")!), port: 1000), frontend: service.frontend,
                backend: service.backends[0].endpoint, mode: mode, state: .established, age: 9, idle: 1, packets: 2,
                bytes: .max, replyPackets: mode == .dsr ? nil : 0, replyBytes: mode == .dsr ? nil : 5)
        }
        return DumpReport(
            service, mode: state.mode(of: service), connections: Array(connections.prefix(limit)),
            backends: service.backends.map { BackendReport(backend: $0, connections: 1, totalConnections: 2) })
    }

    func delete(id: UInt16) throws -> DeletedReport {
        try check()
        return DeletedReport([try state.delete(id: id, origin: .command)])
    }

    func deleteAll() throws -> DeletedReport {
        try check()
        return DeletedReport(try state.sortedServices.map { try state.delete(id: $0.id, origin: .command) })
    }

    func backends(_ endpoint: Endpoint?) throws -> BackendListReport {
        try check()
        return list(try endpoint.map { try state.services(with: $0) } ?? state.sortedServices, endpoint)
    }

    func setState(_ wanted: BackendState?, of backend: Endpoint, service: UInt16?) throws -> BackendListReport {
        try check()
        return list(try state.setState(wanted, of: backend, service: service), backend)
    }

    private func list(_ services: [Service], _ endpoint: Endpoint?) -> BackendListReport {
        BackendListReport(
            backends: services.flatMap { service in
                service.backends.filter { endpoint == nil || $0.endpoint == endpoint }.map {
                    .init(
                        BackendReport(backend: $0, connections: 1, totalConnections: 2), of: service,
                        mode: state.mode(of: service))
                }
            })
    }

    func explain(client: Endpoint, frontend: Frontend) throws -> ExplainReport {
        try check()
        var report = ExplainReport(client: client, frontend: frontend, device: "eth0", finding: Finding(0x73))
        if let service = state.service(of: frontend) {
            report.tell(service, mode: state.mode(of: service))
            report.tell(service.backends[0], health: nil, nextHop: nil, device: nil)
        }
        return report
    }

    func neighbours() throws -> NeighborListReport {
        try check()
        let (first, second) = (IPAddress("20.1.1.10")!, IPAddress("20.1.1.20")!)
        return NeighborListReport(neighbors: [
            .init(address: first, linkAddress: LinkAddress("02:00:00:00:00:01"), device: "eth0", backends: [first]),
            .init(address: second, linkAddress: nil, device: "eth0", backends: [second]),
        ])
    }

    func mode() throws -> ModeReport {
        try check()
        return ModeReport(mode: state.mode)
    }

    func updateMode(_ mode: Mode) throws -> ModeUpdateReport {
        try check()
        let changed = mode != state.mode
        try state.setMode(mode)
        return ModeUpdateReport(mode: mode, changed: changed)
    }

    func status() throws -> StatusReport {
        try check()
        return StatusReport(
            mode: state.mode, paths: Paths([.snat], ipv6: true), compiled: "here",
            devices: [.init(name: "eth0", linkAddress: "02:00:00:00:00:01", isNative: true, programID: 42)],
            services: state.services.count, backends: 2, connections: [.snat: 3], size: 5, slots: 7,
            table: .init(used: 6, bytes: 8), table6: nil,
            snatPorts: [.init(backend: Endpoint("20.1.1.10:80")!, transport: .tcp, inUse: 3, available: 4)],
            drops: Dictionary(uniqueKeysWithValues: DropReason.allCases.map { ($0, 9) }),
            events: Dictionary(uniqueKeysWithValues: EventCounter.allCases.map { ($0, 10) }))
    }

    func plan(_ config: Config) throws -> PlanReport {
        try check()
        var wanted = state
        let change = try refusing { try wanted.apply(try config.declared(), origin: .file) }
        let connections = Dictionary(
            uniqueKeysWithValues: state.sortedServices.flatMap { service in
                service.backends.map { (BackendKey(frontend: service.frontend, backend: $0.endpoint), 3) }
            })
        let impact = Impact(of: change, connections: connections, maglevSize: 251, seed: 1)
        return PlanReport(change, impact: impact, warnings: ["it is slow"])
    }

    func apply(_ config: Config, confirmSeconds: Int64?) throws -> ApplyReport {
        try check()
        let time = confirmSeconds.map { Trial.Time(now: 1000, seconds: $0) }
        let change = try refusing { try state.apply(try config.declared(), origin: .file, trial: time) }
        return ApplyReport(change, mode: state.mode, confirmSeconds: state.trial?.seconds, warnings: [])
    }

    func confirm() throws -> ConfirmReport {
        try check()
        try state.confirm()
        return ConfirmReport()
    }

    func config() throws -> Config {
        try check()
        return Config(state, agent: AgentSettings(texts: [.devices: "eth0,eth1", .flowTableSize: "1024"]))
    }

    private func refusing<Result>(_ work: () throws -> Result) throws -> Result {
        do {
            return try work()
        } catch let error as BalancerError {
            throw APIError(error)
        }
    }

    func traffic() throws -> TrafficReport {
        try check()
        let metrics = Metrics.fixture(state)
        return TrafficReport(uptime: metrics.uptime, services: metrics.services)
    }

    func metrics() throws -> [UInt8] {
        try check()
        return Metrics.fixture(state).text(version: "1")
    }

    func isReady() -> Bool { ready }

    private func check() throws {
        if let failure { throw failure }
    }

    private func report(_ service: Service) -> ServiceReport {
        var counters = ServiceCounters()
        counters.packets = 7
        counters.drops = [.sourceRange: 11]
        return ServiceReport(service, mode: state.mode(of: service), counters: counters, health: HealthBook())
    }
}
