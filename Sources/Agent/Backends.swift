import Addresses
import Balancer

/// The commands about single backends.
extension LoadBalancer {
    /// A service's backend, and what it carries.
    public struct BackendOfService: Sendable {
        public var service: Service
        /// Of the service's new connections.
        public var mode: Mode
        public var report: BackendReport
    }

    /// Those at one address and port, or all: by service, in the order in which the user gave them.
    public func backends(_ endpoint: Endpoint? = nil) throws -> [BackendOfService] {
        let services = try endpoint.map { endpoint in try state.services(with: endpoint) } ?? state.sortedServices
        return try backends(endpoint, of: services)
    }

    /// Sets an operator's state for a backend, or undoes it (nil), in one service or in all that have it. It returns
    /// when the packet path has it.
    public func setState(
        _ wanted: BackendState?, of backend: Endpoint, service id: UInt16? = nil
    ) async throws -> [BackendOfService] {
        let services = try await change { state throws(BalancerError) in
            try state.setState(wanted, of: backend, service: id)
        }
        return try backends(backend, of: services)
    }

    private func backends(_ endpoint: Endpoint?, of services: [Service]) throws -> [BackendOfService] {
        let snapshot = try dataplane.snapshot()
        let census = FlowCensus(snapshot)
        var found: [(service: Service, backend: Backend, place: UInt16?)] = []
        for service in services {
            for backend in service.backends where endpoint.map({ $0 == backend.endpoint }) ?? true {
                let key = BackendKey(frontend: service.frontend, backend: backend.endpoint)
                found.append((service, backend, indices[key]))
            }
        }
        let totals = BackendTotals(
            gone: dataplane.totals(of: found.compactMap(\.place)), flows: snapshot.flows.values)
        return found.map { service, backend, place in
            var report = totals.report(backend, at: place, census: census)
            report.health = health[BackendKey(frontend: service.frontend, backend: backend.endpoint)]
            return BackendOfService(service: service, mode: state.mode(of: service), report: report)
        }
    }
}
