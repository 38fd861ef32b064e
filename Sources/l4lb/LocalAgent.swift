import API
import Addresses
import Agent
import Balancer

/// The agent of this process, as commands and the API see it.
struct LocalAgent: Balancing {
    let balancer: LoadBalancer
    /// What it runs with, and what of that a file has to say.
    let settings, ownSettings: AgentSettings

    init(_ balancer: LoadBalancer, of command: AgentCommand) {
        self.balancer = balancer
        settings = command.settings
        ownSettings = command.ownSettings
    }

    func update(_ request: ServiceRequest) async throws -> ServiceUpdateReport {
        try await asking {
            let update = try await balancer.update(request)
            return ServiceUpdateReport(update.outcome, warnings: update.warnings)
        }
    }

    func services() async throws -> ServiceListReport {
        try await asking { ServiceListReport(services: try await balancer.serviceStates().map(ServiceReport.init)) }
    }

    func serviceIDs() async throws -> [UInt16] { await balancer.services().map(\.id) }

    func service(id: UInt16) async throws -> ServiceReport {
        try await asking { ServiceReport(try await balancer.serviceState(id: id)) }
    }

    func connections(id: UInt16, limit: Int) async throws -> DumpReport {
        try await asking {
            var dump = try await balancer.dump(id: id)
            dump.connections.removeLast(max(dump.connections.count - limit, 0))
            return DumpReport(dump)
        }
    }

    func delete(id: UInt16) async throws -> DeletedReport {
        try await asking { DeletedReport([try await balancer.delete(id: id)]) }
    }

    func deleteAll() async throws -> DeletedReport {
        try await asking { DeletedReport(try await balancer.deleteAll()) }
    }

    func backends(_ endpoint: Endpoint?) async throws -> BackendListReport {
        try await asking { BackendListReport(try await balancer.backends(endpoint)) }
    }

    func setState(_ state: BackendState?, of backend: Endpoint, service: UInt16?) async throws -> BackendListReport {
        try await asking { BackendListReport(try await balancer.setState(state, of: backend, service: service)) }
    }

    func explain(client: Endpoint, frontend: Frontend) async throws -> ExplainReport {
        try await asking {
            ExplainReport(
                try await balancer.explain(client: client, frontend: frontend), client: client, frontend: frontend)
        }
    }

    func neighbours() async throws -> NeighborListReport {
        try await asking { NeighborListReport(try await balancer.neighbours()) }
    }

    func mode() async throws -> ModeReport { ModeReport(mode: await balancer.mode) }

    func updateMode(_ mode: Mode) async throws -> ModeUpdateReport {
        try await asking { ModeUpdateReport(mode: mode, changed: try await balancer.updateMode(mode)) }
    }

    func status() async throws -> StatusReport {
        try await asking {
            var report = StatusReport(try await balancer.status())
            report.confirmSeconds = await balancer.confirmSeconds
            return report
        }
    }

    func plan(_ config: Config) async throws -> PlanReport {
        let declared = try config.declared()
        return try await asking {
            let (preview, options) = (try await balancer.preview(declared), await balancer.options)
            // Tables take their time to make, which is not the agent's.
            let impact = Impact(
                of: preview.change, connections: preview.connections, maglevSize: options.maglevSize,
                seed: options.maglevSeed)
            return PlanReport(preview.change, impact: impact, warnings: warnings(config))
        }
    }

    func apply(_ config: Config, confirmSeconds: Int64?) async throws -> ApplyReport {
        let declared = try config.declared()
        return try await asking {
            let applied = try await balancer.apply(declared, confirmSeconds: confirmSeconds)
            return ApplyReport(
                applied.change, mode: applied.mode, confirmSeconds: applied.confirmSeconds,
                warnings: warnings(config) + applied.warnings)
        }
    }

    private func warnings(_ config: Config) -> [String] { config.agent?.warnings(running: settings) ?? [] }

    func confirm() async throws -> ConfirmReport {
        try await asking {
            try await balancer.confirm()
            return ConfirmReport()
        }
    }

    func config() async throws -> Config { Config(await balancer.desiredState, agent: ownSettings) }

    func traffic() async throws -> TrafficReport {
        try await asking {
            let (uptime, services) = try await balancer.traffic()
            return TrafficReport(uptime: uptime, services: services)
        }
    }

    func metrics() async throws -> [UInt8] {
        try await asking { try await balancer.metrics().text(version: L4LB.versionNumber) }
    }

    func isReady() async -> Bool { await balancer.isRunning }

    /// The agent's own errors become those that its API knows.
    private func asking<Report>(_ work: () async throws -> Report) async throws -> Report {
        do {
            return try await work()
        } catch let error as BalancerError where error.service != nil {
            throw APIError(error)
        } catch let error as AgentError {
            let isRunning = await balancer.isRunning
            throw APIError(
                isRunning ? .failed : .unavailable, error.description,
                details: error.details.isEmpty ? nil : error.details)
        }
    }
}

extension ServiceReport {
    init(_ state: LoadBalancer.ServiceState) {
        self.init(state.service, mode: state.mode, counters: state.counters, health: state.health)
    }
}

extension DumpReport {
    init(_ dump: LoadBalancer.Dump) {
        self.init(dump.service, mode: dump.mode, connections: dump.connections, backends: dump.backends)
    }
}

extension BackendListReport {
    init(_ backends: [LoadBalancer.BackendOfService]) {
        self.init(backends: backends.map { Entry($0.report, of: $0.service, mode: $0.mode) })
    }
}

extension ExplainReport {
    init(_ explanation: LoadBalancer.Explanation, client: Endpoint, frontend: Frontend) {
        self.init(client: client, frontend: frontend, device: explanation.input, finding: explanation.finding)
        if let state = explanation.service { tell(state.service, mode: state.mode) }
        if let (connection, slot) = explanation.connection { tell(connection, slot: slot) }
        if let backend = explanation.backend {
            tell(
                backend, health: explanation.health, nextHop: explanation.nextHop, device: explanation.output)
        }
    }
}

extension NeighborListReport {
    init(_ neighbours: [LoadBalancer.NeighbourReport]) {
        self.init(
            neighbors: neighbours.map {
                Entry(address: $0.address, linkAddress: $0.linkAddress, device: $0.device, backends: $0.backends)
            })
    }
}

extension StatusReport {
    init(_ status: LoadBalancer.Status) {
        self.init(
            mode: status.mode, paths: status.paths, compiled: status.compiled.rawValue,
            devices: status.devices.map {
                DeviceEntry(
                    name: $0.device.name, linkAddress: $0.device.address.description, isNative: $0.isNative,
                    programID: $0.programID)
            },
            services: status.services, backends: status.backends, connections: status.connections,
            size: status.flowTableSize, slots: status.flowTablePlaces, table: TableUse(status.flowTable),
            table6: status.flowTable6.map(TableUse.init), snatPorts: status.snatPorts, drops: status.drops,
            events: status.events)
    }
}

extension StatusReport.TableUse {
    init(_ use: LoadBalancer.Status.TableUse) {
        self.init(used: use.used, bytes: use.bytes)
    }
}
