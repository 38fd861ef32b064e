import Balancer

extension Metrics {
    /// What GET /metrics answers. `version`: the agent's.
    public func text(version: String) -> [UInt8] {
        var writer = MetricsWriter(self, version: version)
        for family in MetricFamily.allCases { writer.write(family) }
        return writer.text.bytes
    }
}

/// Writes one family after the other.
private struct MetricsWriter {
    typealias Labels = Exposition.Labels

    var text = Exposition()
    private let metrics: Metrics
    private let version: String
    /// Each service's, and each of its backends'.
    private let services: [(metrics: ServiceMetrics, labels: Labels, backends: [Labels])]

    init(_ metrics: Metrics, version: String) {
        self.metrics = metrics
        self.version = version
        services = metrics.services.map { service in
            let frontend = service.service.frontend
            let labels = Labels([
                "service": "\(service.service.id)", "frontend": "\(frontend.endpoint)",
                "protocol": "\(frontend.transport)",
            ])
            return (service, labels, service.backends.map { labels.and(["backend": "\($0.backend.endpoint)"]) })
        }
    }

    mutating func write(_ family: MetricFamily) {
        text.begin(family)
        switch family {
        case .buildInfo, .ready, .mode, .programPath, .deviceInfo, .services, .backends, .connections:
            writeAgent(family)
        case .serviceInfo, .serviceBackends, .serviceConnections, .serviceConnectionsTotal, .servicePacketsTotal,
            .serviceBytesTotal, .serviceDropsTotal:
            for (service, labels, _) in services { write(family, of: service, labels) }
        case .backendUp, .backendConnections, .backendConnectionsTotal, .backendPacketsTotal, .backendBytesTotal:
            for (service, _, backends) in services {
                for (backend, labels) in zip(service.backends, backends) { write(family, of: backend, labels) }
            }
        case .dropsTotal:
            for reason in DropReason.allCases {
                text.sample(Labels(["reason": reason.rawValue]), metrics.drops[reason] ?? 0)
            }
        case .eventsTotal:
            for event in EventCounter.allCases {
                text.sample(Labels(["event": event.rawValue]), metrics.events[event] ?? 0)
            }
        case .flowTableUsed, .flowTableSize, .flowTableBytes, .lastCollection, .snatPortsUsed, .snatPortsLimit:
            writeTables(family)
        case .neighbors, .neighborsMissing, .backendsUnreachable, .reconciliationsTotal,
            .reconciliationFailuresTotal, .reconciliationSecondsTotal, .compilationsTotal,
            .compilationFailuresTotal, .compilationSecondsTotal:
            writeWork(family)
        case .processCPU, .processStart, .processVirtual, .processResident, .processFiles, .processFilesLimit:
            writeProcess(family)
        }
    }

    private mutating func writeAgent(_ family: MetricFamily) {
        switch family {
        case .buildInfo: text.sample(Labels(["version": version]), 1)
        case .ready: text.sample(metrics.isReady ? 1 : 0)
        case .mode:
            for mode in Mode.allCases { text.sample(Labels(["mode": mode.rawValue]), metrics.mode == mode ? 1 : 0) }
        case .programPath:
            for path in Paths(Set(Mode.allCases), ipv6: true).names {
                text.sample(Labels(["path": path]), metrics.paths.names.contains(path) ? 1 : 0)
            }
        case .deviceInfo:
            for device in metrics.devices {
                text.sample(
                    Labels([
                        "device": device.name, "xdp_mode": device.isNative ? "native" : "generic",
                        "program_id": "\(device.programID)",
                    ]), 1)
            }
        case .services: text.sample(metrics.services.count)
        case .backends:
            for state in BackendState.allCases {
                let counts = metrics.services.map { $0.service.count(of: state) }
                text.sample(Labels(["state": state.rawValue]), counts.reduce(0, +))
            }
        case .connections:
            for mode in Mode.allCases {
                text.sample(Labels(["mode": mode.rawValue]), metrics.connections[mode] ?? 0)
            }
        default: break
        }
    }

    private mutating func write(_ family: MetricFamily, of service: ServiceMetrics, _ labels: Labels) {
        switch family {
        case .serviceInfo:
            text.sample(
                labels.and([
                    "mode": service.mode.rawValue, "algorithm": service.service.algorithm.rawValue,
                    "origin": service.service.origin.rawValue,
                ]), 1)
        case .serviceBackends:
            for state in BackendState.allCases {
                text.sample(labels.and(["state": state.rawValue]), service.service.count(of: state))
            }
        case .serviceConnections:
            let states: [ConnectionState] =
                service.service.frontend.transport == .udp ? [.active] : [.syn, .established, .closing]
            for mode in Mode.allCases {
                for state in states {
                    let count = service.connections[mode, state]
                    // Of the other mode only what is left of it.
                    guard mode == service.mode || count > 0 else { continue }
                    text.sample(labels.and(["mode": mode.rawValue, "state": state.rawValue]), count)
                }
            }
        case .serviceConnectionsTotal: text.sample(labels, service.traffic.connections)
        case .servicePacketsTotal, .serviceBytesTotal:
            write(service.traffic, labels, bytes: family == .serviceBytesTotal, replies: service.hasReplies)
        case .serviceDropsTotal:
            for reason in DropReason.allCases {
                guard let count = service.drops[reason] else { continue }
                text.sample(labels.and(["reason": reason.rawValue]), count)
            }
        default: break
        }
    }

    private mutating func write(_ family: MetricFamily, of backend: ServiceMetrics.Backend, _ labels: Labels) {
        switch family {
        case .backendUp:
            if let health = backend.health { text.sample(labels, health.verdict == .down ? 0 : 1) }
        case .backendConnections: text.sample(labels, backend.connections)
        case .backendConnectionsTotal: text.sample(labels, backend.traffic.connections)
        default: write(backend.traffic, labels, bytes: family == .backendBytesTotal, replies: backend.hasReplies)
        }
    }

    private mutating func write(_ traffic: Traffic, _ labels: Labels, bytes: Bool, replies: Bool) {
        text.sample(labels.and(["direction": "request"]), bytes ? traffic.bytes : traffic.packets)
        guard replies else { return }
        text.sample(labels.and(["direction": "reply"]), bytes ? traffic.replyBytes : traffic.replyPackets)
    }

    private mutating func writeTables(_ family: MetricFamily) {
        if family == .lastCollection { return text.sample(metrics.collected) }
        if [.snatPortsUsed, .snatPortsLimit].contains(family) {
            for ports in metrics.snatPorts {
                text.sample(
                    Labels(["backend": "\(ports.backend)", "protocol": "\(ports.transport)"]),
                    family == .snatPortsUsed ? ports.inUse : ports.available)
            }
            return
        }
        for table in metrics.tables {
            let labels = Labels(["family": table.isIPv6 ? "ipv6" : "ipv4"])
            switch family {
            case .flowTableUsed: text.sample(labels, table.used)
            case .flowTableSize: text.sample(labels, table.size)
            default: text.sample(labels, table.bytes)
            }
        }
    }

    private mutating func writeWork(_ family: MetricFamily) {
        switch family {
        case .neighbors: text.sample(metrics.neighbours.known)
        case .neighborsMissing: text.sample(metrics.neighbours.missing)
        case .backendsUnreachable: text.sample(metrics.neighbours.unreachableBackends)
        case .reconciliationsTotal: text.sample(metrics.reconciliations.count)
        case .reconciliationFailuresTotal: text.sample(metrics.reconciliations.failures)
        case .reconciliationSecondsTotal: text.sample(metrics.reconciliations.seconds)
        case .compilationsTotal: text.sample(metrics.compilations.count)
        case .compilationFailuresTotal: text.sample(metrics.compilations.failures)
        case .compilationSecondsTotal: text.sample(metrics.compilations.seconds)
        default: break
        }
    }

    private mutating func writeProcess(_ family: MetricFamily) {
        let process = metrics.process
        switch family {
        case .processCPU: text.sample(process.cpu)
        case .processStart: text.sample(process.start)
        case .processVirtual: text.sample(process.virtualBytes)
        case .processResident: text.sample(process.residentBytes)
        case .processFiles: text.sample(process.openFiles)
        case .processFilesLimit: text.sample(process.openFilesLimit)
        default: break
        }
    }
}

extension Service {
    fileprivate func count(of state: BackendState) -> Int { backends.count { $0.state == state } }
}
