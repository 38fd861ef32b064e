import API
import Balancer
import Testing

@testable import l4lb

@Suite struct PlanViewTests {
    private func request(_ frontend: String, _ backends: String, weights: String? = nil, algorithm: String? = nil)
        throws
        -> ServiceRequest
    {
        try ServiceRequest(.init(frontend: frontend, backends: backends, weights: weights, algorithm: algorithm))
    }

    @Test("a plan says what changes, and what that does to connections")
    func lines() throws {
        var state = DesiredState(mode: .snat)
        try state.apply(
            DeclaredState(services: [
                request("40.1.1.1:80", "20.1.1.10:80,20.1.1.20:80"), request("40.1.1.2:80", "20.1.1.10:80"),
            ]), origin: .file)
        _ = try state.update(request("40.1.1.3:80", "20.1.1.10:80"), origin: .command)
        let connections = Dictionary(
            uniqueKeysWithValues: state.sortedServices.flatMap { service in
                service.backends.map { (BackendKey(frontend: service.frontend, backend: $0.endpoint), 5) }
            })
        let change = try state.apply(
            DeclaredState(
                mode: .dsr,
                services: [
                    request("40.1.1.1:80", "20.1.1.10:80,20.1.1.30:80", weights: "2,1", algorithm: "random"),
                    request("40.1.1.3:80", "20.1.1.10:80"), request("40.1.1.4:80", "20.1.1.10:80"),
                ]), origin: .file)
        let impact = Impact(of: change, connections: connections, maglevSize: 251, seed: 1)
        let report = PlanReport(change, impact: impact)
        #expect(
            PlanView.lines(report) == [
                "~ mode: snat -> dsr",
                "- service 2  40.1.1.2:80/tcp  1 backend, 5 living connections until they end",
                "+ service 2  40.1.1.4:80/tcp  1 backend",
                "~ service 1  40.1.1.1:80/tcp",
                "    ~ algorithm: maglev -> random",
                "    ~ 20.1.1.10:80 -> 20.1.1.10:80 weight 2",
                "    - 20.1.1.20:80",
                "    + 20.1.1.30:80",
                "    49.8 % of new connections go to another backend; 10 living connections: 5 on backends that leave, 0 choose another",
                "= service 3  40.1.1.3:80/tcp  is the file's from now on",
                "1 to create, 1 to replace, 1 to remove, 1 to take over",
                "new connections that go to another backend: 24.9 %",
                "living connections: 20, of which 10 go on with a backend that leaves until they end, 0 choose another",
            ])
        let none = StateChange(from: state, to: state)
        let still = Impact(of: none, connections: [:], maglevSize: 251, seed: 1)
        #expect(PlanView.lines(PlanReport(none, impact: still)) == ["no change"])
    }
}
