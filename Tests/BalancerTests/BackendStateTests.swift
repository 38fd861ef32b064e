import Addresses
import Testing

@testable import Balancer

/// What operators set for single backends, beside what their services say.
@Suite struct BackendStateTests {
    private let backend: Endpoint = "20.1.1.10:80"

    private func twoServices() throws -> DesiredState {
        var state = DesiredState(mode: .snat)
        for frontend in ["40.1.1.1:80", "40.1.1.2:80"] {
            _ = try state.update(
                request(frontend, "20.1.1.10:80,20.1.1.20:80", states: "active,draining"), origin: .file)
        }
        return state
    }

    private func states(_ state: DesiredState) -> [[BackendState]] {
        state.sortedServices.map { $0.backends.map(\.state) }
    }

    @Test(
        "the more cautious of the service's state and the operator's is the backend's",
        arguments: [
            (BackendState.active, nil, BackendState.active), (.active, .draining, .draining),
            (.active, .maintenance, .maintenance), (.draining, nil, .draining), (.draining, .maintenance, .maintenance),
            (.maintenance, .draining, .maintenance), (.maintenance, nil, .maintenance),
        ] as [(BackendState, BackendState?, BackendState)])
    func combined(own: BackendState, override: BackendState?, state: BackendState) {
        let backend = Backend(backend, state: own, override: override)
        #expect(backend.state == state)
        #expect(backend.takesConnections == (state == .active))
    }

    @Test("it is set in all services that have the backend, or in one, and undone")
    func sets() throws {
        var state = try twoServices()
        let before = state
        #expect(try state.setState(.draining, of: backend).map(\.id) == [1, 2])
        #expect(states(state) == [[.draining, .draining], [.draining, .draining]])
        #expect(try state.setState(nil, of: backend, service: 2).map(\.id) == [2])
        #expect(states(state) == [[.draining, .draining], [.active, .draining]])
        #expect(try state.setState(.maintenance, of: backend, service: 1).map(\.id) == [1])
        #expect(states(state)[0][0] == .maintenance)
        _ = try state.setState(nil, of: backend)
        #expect(state == before)
    }

    @Test("it stays when the service is replaced, and goes with the backend")
    func replaced() throws {
        var state = try twoServices()
        _ = try state.setState(.maintenance, of: backend, service: 1)
        for weights in ["1,2", "5,5"] {
            _ = try state.update(
                request("40.1.1.1:80", "20.1.1.30:80,20.1.1.10:80", weights: weights), origin: .file)
            #expect(states(state)[0] == [.active, .maintenance])
        }
        for backends in ["20.1.1.30:80", "20.1.1.30:80,20.1.1.10:80"] {
            _ = try state.update(request("40.1.1.1:80", backends), origin: .file)
        }
        #expect(states(state)[0] == [.active, .active])
    }

    @Test("a backend that nobody has is said")
    func unknown() throws {
        var state = try twoServices()
        let other: Endpoint = "20.1.1.10:81"
        let before = state
        #expect(throws: BalancerError.notFound("no service has backend 20.1.1.10:81: see 'backend list'")) {
            _ = try state.setState(.draining, of: other)
        }
        #expect(throws: BalancerError.notFound("service 2 has no backend 20.1.1.10:81: see 'backend list'")) {
            _ = try state.setState(.draining, of: other, service: 2)
        }
        #expect(throws: BalancerError.notFound("no service has id 9: see 'service list'")) {
            _ = try state.setState(.draining, of: backend, service: 9)
        }
        #expect(throws: BalancerError.notFound("no service has backend 20.1.1.10:81: see 'backend list'")) {
            _ = try state.services(with: other)
        }
        #expect(try state.services(with: backend).map(\.id) == [1, 2])
        #expect(state == before)
    }

    @Test("it comes back with a saved state, and one that was saved without it is read")
    func saved() throws {
        var state = try twoServices()
        _ = try state.setState(.draining, of: backend, service: 1)
        var saved = SavedState(state, indices: BackendIndices(capacity: 9), serviceIDs: [:])
        #expect(try saved.restored(mapMax: state.mapMax)?.state == state)
        saved.services[0].backends[0].override = "asleep"
        #expect(try saved.restored(mapMax: state.mapMax) == nil)
        saved.services[0].backends[0].override = nil
        #expect(try saved.restored(mapMax: state.mapMax)?.state == twoServices())
    }
}
