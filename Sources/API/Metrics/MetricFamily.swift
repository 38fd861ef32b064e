/// The families of /metrics, in the order in which they are written. docs/metrics.md tells of each.
enum MetricFamily: String, CaseIterable {
    case buildInfo = "l4lb_build_info"
    case ready = "l4lb_ready"
    case mode = "l4lb_mode"
    case programPath = "l4lb_program_path"
    case deviceInfo = "l4lb_device_info"

    case services = "l4lb_services"
    case backends = "l4lb_backends"
    case connections = "l4lb_connections"
    case serviceInfo = "l4lb_service_info"
    case serviceBackends = "l4lb_service_backends"
    case serviceConnections = "l4lb_service_connections"
    case serviceConnectionsTotal = "l4lb_service_connections_total"
    case servicePacketsTotal = "l4lb_service_packets_total"
    case serviceBytesTotal = "l4lb_service_bytes_total"
    case serviceDropsTotal = "l4lb_service_drops_total"

    case backendUp = "l4lb_backend_up"
    case backendConnections = "l4lb_backend_connections"
    case backendConnectionsTotal = "l4lb_backend_connections_total"
    case backendPacketsTotal = "l4lb_backend_packets_total"
    case backendBytesTotal = "l4lb_backend_bytes_total"

    case dropsTotal = "l4lb_drops_total"
    case eventsTotal = "l4lb_events_total"

    case flowTableUsed = "l4lb_flow_table_used"
    case flowTableSize = "l4lb_flow_table_size"
    case flowTableBytes = "l4lb_flow_table_bytes"
    case lastCollection = "l4lb_last_collection_timestamp_seconds"
    case snatPortsUsed = "l4lb_snat_ports_used"
    case snatPortsLimit = "l4lb_snat_ports_limit"

    case neighbors = "l4lb_neighbors"
    case neighborsMissing = "l4lb_neighbors_missing"
    case backendsUnreachable = "l4lb_backends_unreachable"
    case reconciliationsTotal = "l4lb_reconciliations_total"
    case reconciliationFailuresTotal = "l4lb_reconciliation_failures_total"
    case reconciliationSecondsTotal = "l4lb_reconciliation_seconds_total"
    case compilationsTotal = "l4lb_compilations_total"
    case compilationFailuresTotal = "l4lb_compilation_failures_total"
    case compilationSecondsTotal = "l4lb_compilation_seconds_total"

    case processCPU = "process_cpu_seconds_total"
    case processStart = "process_start_time_seconds"
    case processVirtual = "process_virtual_memory_bytes"
    case processResident = "process_resident_memory_bytes"
    case processFiles = "process_open_fds"
    case processFilesLimit = "process_max_fds"

    enum Kind: String {
        case counter, gauge
    }

    /// By the conventions only counters end in _total.
    var kind: Kind { rawValue.hasSuffix("_total") ? .counter : .gauge }

    var help: String {
        switch self {
        case .buildInfo: "The version that runs; always 1."
        case .ready: "Whether packets are balanced."
        case .mode: "1 for the mode of new connections, where a service has none of its own."
        case .programPath: "1 for the paths that the running program has: snat, dsr, ipv6."
        case .deviceInfo: "A device with the program on it, where XDP runs and the program's id; always 1."
        case .services: "Configured services."
        case .backends: "Backends over all services, by the state that was set."
        case .connections: "Living connections by mode."
        case .serviceInfo: "How a service is configured; always 1."
        case .serviceBackends: "Backends of a service, by the state that was set."
        case .serviceConnections: "Living connections of a service, by mode and state."
        case .serviceConnectionsTotal: "Connections that have begun since the service was created."
        case .servicePacketsTotal: "Packets of a service; replies do not pass here in DSR."
        case .serviceBytesTotal: "Bytes of a service's IP packets; replies do not pass here in DSR."
        case .serviceDropsTotal: "Dropped packets of a service, by the reasons that there were."
        case .backendUp: "Whether a backend's health check passes; only backends that are checked."
        case .backendConnections: "Living connections of a service's backend."
        case .backendConnectionsTotal: "Connections that have begun since the backend joined its service."
        case .backendPacketsTotal: "Packets of a service's backend; replies do not pass here in DSR."
        case .backendBytesTotal: "Bytes of the IP packets of a service's backend; replies do not pass here in DSR."
        case .dropsTotal: "Dropped packets by reason."
        case .eventsTotal: "What the packet program has counted beside drops."
        case .flowTableUsed:
            "Connections in use in a family's flow table, also by what has ended until it is collected."
        case .flowTableSize: "Connections that a family's flow table has room for."
        case .flowTableBytes: "Kernel memory of a family's flow table."
        case .lastCollection: "When the flow tables were last read and tidied up, seconds since 1970."
        case .snatPortsUsed: "SNAT ports towards a backend in use, for the 10 backends with the fewest left."
        case .snatPortsLimit: "SNAT ports that there are towards such a backend."
        case .neighbors: "Next hops of backends whose link address is known."
        case .neighborsMissing: "Next hops of backends whose link address is missing."
        case .backendsUnreachable: "Addresses of backends that no route leads to."
        case .reconciliationsTotal: "Times that the maps were made to hold what they should."
        case .reconciliationFailuresTotal: "Times that this went wrong."
        case .reconciliationSecondsTotal: "Time spent on it."
        case .compilationsTotal: "Times that the packet program was compiled for a change, not at the start."
        case .compilationFailuresTotal: "Times that this went wrong."
        case .compilationSecondsTotal: "Time spent on it."
        case .processCPU: "User and system time of the agent's process."
        case .processStart: "When the agent's process began, seconds since 1970."
        case .processVirtual: "Virtual memory of the agent's process."
        case .processResident: "Resident memory of the agent's process, with those maps that it has in its memory."
        case .processFiles: "Open file descriptors."
        case .processFilesLimit: "The most open file descriptors."
        }
    }
}
