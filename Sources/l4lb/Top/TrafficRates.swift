import API
import Balancer

/// What `top` shows of a service or a backend: what there is, and what each second brings.
struct TrafficRates: Encodable, Equatable {
    var connections: Int
    /// Nil where it is not known yet: from the second measurement on.
    @ExplicitNull var newPerSecond: Double?
    @ExplicitNull var packetsPerSecond: Double?
    @ExplicitNull var bitsPerSecond: Double?
    /// Nil also where no replies pass here, as in DSR.
    @ExplicitNull var replyPacketsPerSecond: Double?
    @ExplicitNull var replyBitsPerSecond: Double?

    /// `before`: `seconds` earlier.
    init(_ now: TrafficReport.Counters, before: TrafficReport.Counters?, seconds: Double) {
        connections = now.connections
        func rate(_ now: UInt64?, _ before: UInt64?, times factor: Double = 1) -> Double? {
            // One that is lower began anew meanwhile.
            guard let now, let before, seconds > 0, now >= before else { return nil }
            return Double(now - before) * factor / seconds
        }
        newPerSecond = rate(now.totalConnections, before?.totalConnections)
        packetsPerSecond = rate(now.packets, before?.packets)
        bitsPerSecond = rate(now.bytes, before?.bytes, times: 8)
        replyPacketsPerSecond = rate(now.replyPackets, before?.replyPackets)
        replyBitsPerSecond = rate(now.replyBytes, before?.replyBytes, times: 8)
    }
}

struct TopBackend: Encodable, Equatable {
    var backend: String
    var state: String
    var traffic: TrafficRates
}

struct TopService: Encodable, Equatable {
    var id: UInt16
    var frontend: String
    var mode: String
    var traffic: TrafficRates
    @ExplicitNull var dropsPerSecond: Double?
    var backends: [TopBackend]
}

/// The last two measurements.
struct TrafficWindow {
    private var before: TrafficReport?
    private var now: TrafficReport?

    /// False where the agent has not measured anew meanwhile.
    mutating func add(_ report: TrafficReport) -> Bool {
        guard report.uptimeSeconds != now?.uptimeSeconds else { return false }
        // An agent that was started anew counts from its own start.
        before = now.flatMap { $0.uptimeSeconds < report.uptimeSeconds ? $0 : nil }
        now = report
        return true
    }

    var hasRates: Bool { before != nil }

    /// By id.
    var services: [TopService] {
        guard let now else { return [] }
        let seconds = before.map { now.uptimeSeconds - $0.uptimeSeconds } ?? 0
        let old = Dictionary(
            (before?.services ?? []).map { ($0.frontend, $0) }, uniquingKeysWith: { first, _ in first })
        return now.services.map { service in
            let before = old[service.frontend]
            let backends = Dictionary(
                (before?.backends ?? []).map { ($0.backend, $0.traffic) }, uniquingKeysWith: { first, _ in first })
            return TopService(
                id: service.id, frontend: service.frontend, mode: service.mode,
                traffic: TrafficRates(service.traffic, before: before?.traffic, seconds: seconds),
                dropsPerSecond: before.flatMap { old in
                    service.drops < old.drops ? nil : Double(service.drops - old.drops) / seconds
                },
                backends: service.backends.map {
                    TopBackend(
                        backend: $0.backend,
                        // One that is dead gets no packet, whatever was set.
                        state: $0.health == BackendHealth.Verdict.down.rawValue ? "down" : $0.state,
                        traffic: TrafficRates($0.traffic, before: backends[$0.backend], seconds: seconds))
                })
        }
    }
}
