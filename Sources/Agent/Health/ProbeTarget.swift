import Addresses
import Balancer
import CDataplane

/// Whom a probe asks, and how it gets there.
struct ProbeTarget: Hashable, Sendable {
    /// What the socket connects to.
    var endpoint: Endpoint
    var check: HealthCheck
    /// What an HTTP request names.
    var host: Endpoint
    /// Nil: straight to the backend.
    var way: Tunnel?

    /// As a packet of a client goes in DSR.
    struct Tunnel: Hashable, Sendable {
        var frontend: IPAddress
        /// The balancer's address towards the backend, and the one of the frontend's family, which may be the same.
        var source: IPAddress
        var innerSource: IPAddress
    }
}

extension ProbeTarget {
    /// `hop` is nil where no way to the backend is known: the probe then says why it fails.
    init(_ backend: Backend, of service: Service, check: HealthCheck, mode: Mode, hop: NextHop?) {
        let port = check.port(of: backend, behind: service.frontend, mode: mode)
        endpoint = Endpoint(backend.endpoint.address, port: port)
        self.check = check
        host = Endpoint(service.frontend.endpoint.address, port: port)
        way = mode == .dsr ? hop.flatMap { Tunnel(service.frontend, backend.endpoint.address, $0) } : nil
    }
}

extension ProbeTarget.Tunnel {
    /// Nil where a packet of the balancer itself cannot go the way of a client's: it has no address of the frontend's
    /// family there, or the frontend's is the one it sends from, so that the backend would answer to itself.
    init?(_ frontend: Frontend, _ backend: IPAddress, _ hop: NextHop) {
        self.frontend = frontend.endpoint.address
        source = hop.source
        guard let inner = self.frontend.isIPv6 == backend.isIPv6 ? hop.source : hop.otherSource,
            inner != self.frontend
        else { return nil }
        innerSource = inner
    }

    func probe(to endpoint: Endpoint) -> l4lb_probe {
        l4lb_probe(source: source, backend: endpoint, innerSource: innerSource, frontend: frontend)
    }
}
