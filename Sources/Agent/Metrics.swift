import Addresses
import BPF
import Balancer
import Foundation

/// What is asked for often. The timer has read the flow tables; here only counters are.
extension LoadBalancer {
    /// Seconds since the agent's start.
    var uptime: Double { (ContinuousClock.now - started) / .seconds(1) }

    public func metrics() throws -> Metrics {
        let sizes = dataplane.maps.sizes
        let census = measurement.census
        var tables = [
            Metrics.Table(
                isIPv6: false, used: census.table.records, size: sizes.records, bytes: sizes.flowTableBytes)
        ]
        if dataplane.maps.ipv6 != nil {
            tables.append(
                Metrics.Table(
                    isIPv6: true, used: census.table6.records, size: sizes.records, bytes: sizes.flowTable6Bytes))
        }
        return Metrics(
            isReady: isRunning, mode: state.mode, paths: dataplane.paths,
            devices: dataplane.attachments.map {
                .init(name: $0.device.name, isNative: $0.isNative, programID: $0.program.id)
            },
            tables: tables, uptime: measurement.uptime,
            collected: Date().timeIntervalSince1970 - (uptime - measurement.uptime), connections: census.connections,
            services: try serviceMetrics(),
            snatPorts: measurement.snatPortUse(indices, ports: dataplane.snatPortCount, sources: options.sources),
            neighbours: neighbourMetrics(), drops: try drops(), events: try events(),
            reconciliations: reconciliations, compilations: compilations, process: try Metrics.Process.own())
    }

    /// The services, and when they were measured: seconds since the agent's start.
    public func traffic() throws -> (uptime: Double, services: [ServiceMetrics]) {
        (measurement.uptime, try serviceMetrics())
    }

    /// By id.
    private func serviceMetrics() throws -> [ServiceMetrics] {
        var services = ServiceMetrics.all(
            of: state, indices: indices, measurement: measurement, departed: departedTotals, health: health)
        for place in services.indices { services[place].drops = try dataplane.drops(of: services[place].service.id) }
        return services
    }

    func drops() throws -> [DropReason: UInt64] {
        var drops: [DropReason: UInt64] = [:]
        for reason in DropReason.allCases { drops[reason] = try dataplane.counter(reason.counter) }
        return drops
    }

    func events() throws -> [EventCounter: UInt64] {
        var events: [EventCounter: UInt64] = [:]
        for event in EventCounter.allCases { events[event] = try dataplane.counter(event.counter) }
        return events
    }

    /// As the last reconciliation found them.
    private func neighbourMetrics() -> Metrics.Neighbours {
        var result = Metrics.Neighbours()
        var hops: Set<IPAddress> = []
        for way in reachability.values {
            guard case .success(let hop) = way else {
                result.unreachableBackends += 1
                continue
            }
            guard hops.insert(hop.neighbour).inserted else { continue }
            if hop.linkAddress == nil { result.missing += 1 } else { result.known += 1 }
        }
        return result
    }
}

extension Metrics.Process {
    /// This process, by proc(5).
    static func own() throws(AgentError) -> Self {
        var process = Self()
        try process.readStat(
            text("/proc/self/stat"), system: text("/proc/stat"), tick: Double(sysconf(Int32(_SC_CLK_TCK))))
        process.openFiles = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            process.openFilesLimit = UInt64(limit.rlim_cur)
        }
        return process
    }

    private static func text(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }

    /// `tick`: clock ticks in a second.
    mutating func readStat(_ own: String, system: String, tick: Double) throws(AgentError) {
        // The second field is the program's name in brackets, which may hold anything.
        let fields = own.split(separator: ")").last?.split(whereSeparator: \.isWhitespace) ?? []
        let boot = system.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
        guard fields.count > 21, let user = Double(fields[11]), let kernel = Double(fields[12]),
            let began = Double(fields[19]), let size = UInt64(fields[20]), let pages = UInt64(fields[21]), let boot
        else { throw AgentError("/proc/self/stat is not understood") }
        cpu = (user + kernel) / tick
        start = boot + began / tick
        virtualBytes = size
        residentBytes = pages * UInt64(getpagesize())
    }
}
