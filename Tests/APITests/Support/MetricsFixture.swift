import Addresses
import CDataplane

@testable import Balancer

extension Metrics {
    /// An agent with these services, of which each has carried something.
    static func fixture(_ state: DesiredState) -> Self {
        var indices = BackendIndices(capacity: 70_000)
        for service in state.sortedServices {
            for backend in service.backends {
                _ = indices.index(for: BackendKey(frontend: service.frontend, backend: backend.endpoint))
            }
        }
        let gone = indices.all.values.map { ($0, l4lb_totals(packets: UInt64($0) + 7)) }
        let census = FlowCensus(
            FlowSnapshot(flows: [:], now: 0, clock: Clock(hertz: 250), timeouts: Timeouts()))
        let measurement = Measurement(uptime: 12.5, gone: Dictionary(uniqueKeysWithValues: gone), census: census)
        var services = ServiceMetrics.all(
            of: state, indices: indices, measurement: measurement, departed: DepartedTotals())
        for service in services.indices {
            for (place, verdict) in services[service].backends.indices.map({ ($0, $0 == 0 ? .down : .up) })
                as [(Int, BackendHealth.Verdict)]
            {
                services[service].backends[place].health = BackendHealth(verdict)
            }
        }
        for place in services.indices { services[place].drops = [.sourceRange: 11] }
        var reconciliations = Work()
        reconciliations.add(.milliseconds(250), failed: false)
        reconciliations.add(.milliseconds(250), failed: true)
        var process = Process()
        (process.cpu, process.start, process.residentBytes, process.openFiles) = (1.25, 1_700_000_000.5, 4096, 12)
        return Self(
            isReady: true, mode: state.mode, paths: Paths([.snat], ipv6: true),
            devices: [.init(name: "eth0", isNative: true, programID: 42)],
            tables: [.init(isIPv6: false, used: 6, size: 64, bytes: 8192)], uptime: 12.5,
            collected: 1_700_000_001, connections: [.snat: 3], services: services,
            snatPorts: [.init(backend: Endpoint("20.1.1.10:80")!, transport: .tcp, inUse: 3, available: 4)],
            neighbours: .init(), drops: [.noBackend: 9], events: [.echo: 10], reconciliations: reconciliations,
            compilations: Work(), process: process)
    }
}

extension l4lb_totals {
    fileprivate init(packets: UInt64) {
        self.init()
        self.packets = packets
    }
}
