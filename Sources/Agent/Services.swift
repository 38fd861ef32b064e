import Addresses
import Balancer
import Netlink

/// The commands that change and show services.
extension LoadBalancer {
    /// What `service update` did.
    public struct Update: Sendable {
        public var outcome: DesiredState.Outcome
        public var warnings: [String]
    }

    /// Creates or replaces a service. It returns when the packet path has it; for link addresses
    /// that are still missing it waits for up to 2 seconds.
    public func update(_ request: ServiceRequest, origin: Origin = .command) async throws -> Update {
        let outcome = try await change { state throws(BalancerError) in
            try state.update(request, origin: origin)
        } check: {
            try refuseHostsPorts($0.service)
            try refuseUnreachable($0.service)
        }
        await awaitLinkAddresses([outcome.service])
        return Update(outcome: outcome, warnings: warnings(outcome.service))
    }

    /// Asks for the next hops of backends that are new before any packet is for them, as it would be dropped. A service
    /// does not wait longer than half a second for a backend that may be dead. True: time has passed.
    func learnNeighbours(_ backends: Set<IPAddress>) async throws -> Bool {
        let new = backends.filter { reachability[$0] == nil }
        guard !new.isEmpty else { return false }
        let deadline = ContinuousClock.now + .milliseconds(500)
        var hasWaited = false
        while isRunning {
            try network.readNeighbours()
            var missing = false
            for address in new {
                guard case .success(let hop) = try network.nextHop(to: address, devices: devices) else { continue }
                guard hop.linkAddress == nil else { continue }
                missing = true
                try network.keepFresh(hop)
            }
            guard missing, ContinuousClock.now < deadline else { break }
            hasWaited = true
            try? await Task.sleep(for: .milliseconds(5))
        }
        return hasWaited
    }

    /// Waits for those that are still missing, for up to 2 seconds.
    func awaitLinkAddresses(_ services: [Service]) async {
        let deadline = ContinuousClock.now + .seconds(2)
        while services.contains(where: { !withoutLinkAddress($0).isEmpty }), ContinuousClock.now < deadline, isRunning {
            try? await Task.sleep(for: .milliseconds(20))
            // The service is in place: what goes wrong now is the timer's to mend.
            try? reconcile()
        }
    }

    public func delete(id: UInt16, origin: Origin = .command) throws -> Service {
        let before = state
        let service = try state.delete(id: id, origin: origin)
        do {
            try reconcile()
        } catch {
            state = before
            throw error
        }
        return service
    }

    /// Deletes what belongs to an origin; gives back what there was.
    public func deleteAll(origin: Origin = .command) throws -> [Service] {
        let before = state
        let own = state.sortedServices.filter { $0.origin == origin }
        do {
            for service in own { _ = try state.delete(id: service.id, origin: origin) }
            try reconcile()
        } catch {
            state = before
            throw error
        }
        return own
    }

    public func services() -> [Service] { state.sortedServices }

    /// All ports of the host's own address would take the host's own traffic.
    func refuseHostsPorts(_ service: Service) throws {
        let endpoint = service.frontend.endpoint
        if endpoint.isAllPorts, try network.hostAddresses().contains(endpoint.address) {
            throw BalancerError.refused(
                "--frontend: \(endpoint) is all ports of an address of this host, which needs them itself: give single ports, or an address that is routed to this host"
            )
        }
    }

    /// A backend that the host has no way to is refused before anything changes.
    func refuseUnreachable(_ service: Service, except known: Set<Endpoint> = []) throws {
        for backend in service.backends where !known.contains(backend.endpoint) {
            if case .failure(let reason) = try network.nextHop(to: backend.endpoint.address, devices: devices) {
                throw BalancerError.refused("--backends: " + reason.text(backend.endpoint, devices: devices))
            }
        }
    }

    private func withoutLinkAddress(_ service: Service) -> [Endpoint] {
        service.backends.map(\.endpoint).filter { endpoint in
            guard case .success(let hop) = reachability[endpoint.address] else { return true }
            return hop.linkAddress == nil
        }
    }

    func warnings(_ service: Service) -> [String] {
        var warnings: [String] = []
        let missing = withoutLinkAddress(service)
        if !missing.isEmpty {
            let names = missing.map(\.description).joined(separator: ", ")
            warnings.append(
                "no link address yet for \(names): packets for them are dropped until they answer ARP or NDP")
        }
        let held = service.backends.filter { $0.override != nil }.map { "\($0.endpoint) (\($0.state.rawValue))" }
        if !held.isEmpty {
            warnings.append(
                "'backend undrain' was not said yet for \(held.joined(separator: ", ")), which keep what was set")
        }
        let port = service.frontend.endpoint.port
        let others = service.backends.map(\.endpoint).filter { $0.port != port }
        if state.mode(of: service) == .dsr, !others.isEmpty {
            let names = others.map(\.description).joined(separator: ", ")
            let place = port == 0 ? "the ports that clients use" : "port \(port)"
            warnings.append("DSR cannot translate ports: \(names) will get the packets at \(place)")
        }
        let direct = checkedDirectly(service)
        if !direct.isEmpty {
            let names = direct.map(\.description).joined(separator: ", ")
            warnings.append(
                "health checks go straight to \(names), not through the tunnel: the host has no address that their answers could come back to"
            )
        }
        let active = service.backends.filter(\.takesConnections).count
        if active == 0 {
            warnings.append("no backend takes new connections: they are dropped")
        } else if options.maglevSize < 100 * active {
            warnings.append(
                "\(options.maglevSize) table slots are fewer than 100 for each of \(active) backends, so that their shares are uneven: raise --bpf-lb-maglev-table-size"
            )
        }
        return warnings
    }
}
