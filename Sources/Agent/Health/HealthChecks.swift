import Addresses
import Balancer
import Logging

/// Who asks the backends, and what has been told of it.
struct HealthChecks {
    fileprivate var prober: Prober?
    /// Reads what the prober finds.
    fileprivate var reading: Task<Void, Never>?
    fileprivate var targets: [BackendKey: ProbeTarget] = [:]
    fileprivate var tunnel = Tunnel.none
    /// Services that use all backends because too few are healthy.
    fileprivate var panics: Set<Frontend> = []
    fileprivate var lastFault: ContinuousClock.Instant?
    /// What was found and is about to be followed.
    fileprivate var found: [Prober.Result] = []
    fileprivate var isPending = false

    fileprivate enum Tunnel {
        case none
        case compiling
        case ready(ProbeTunnel)
        /// Tried again from then on.
        case failed(until: ContinuousClock.Instant)
    }
}

/// Health checks: backends are asked, and what the answers change is made so.
extension LoadBalancer {
    /// Has the prober ask whom the state wants asked, the way that packets go.
    func check(_ nextHops: [IPAddress: NextHop]) {
        tellPanics()
        var targets: [BackendKey: ProbeTarget] = [:]
        for service in state.services.values {
            guard let check = service.healthCheck else { continue }
            let mode = state.mode(of: service)
            for backend in service.backends {
                let key = BackendKey(frontend: service.frontend, backend: backend.endpoint)
                targets[key] = ProbeTarget(
                    backend, of: service, check: check, mode: mode, hop: nextHops[backend.endpoint.address])
            }
        }
        let tunnel = tunnel(isNeeded: targets.values.contains { $0.way != nil })
        // Until it is there, nothing can be said of those behind it.
        if tunnel == nil { targets = targets.filter { $0.value.way == nil } }
        guard targets != checks.targets else { return }
        checks.targets = targets
        prober().follow(targets, tunnel: tunnel)
    }

    /// Backends of a service in DSR whose probes do not go as a client's packets.
    func checkedDirectly(_ service: Service) -> [Endpoint] {
        guard service.healthCheck != nil, state.mode(of: service) == .dsr else { return [] }
        return service.backends.map(\.endpoint).filter { endpoint in
            guard case .success(let hop) = reachability[endpoint.address] else { return false }
            return ProbeTarget.Tunnel(service.frontend, endpoint.address, hop) == nil
        }
    }

    private func prober() -> Prober {
        if let prober = checks.prober { return prober }
        let prober = Prober()
        checks.prober = prober
        checks.reading = Task { [weak self] in
            for await report in prober.reports { await self?.note(report) }
        }
        return prober
    }

    /// Returns when no probe is on its way and the tunnel is gone.
    func endHealthChecks() async {
        checks.prober?.stop()
        await checks.reading?.value
        checks = HealthChecks()
    }

    // MARK: The tunnel

    /// Nil where it is not there, or not yet.
    private func tunnel(isNeeded: Bool) -> ProbeTunnel? {
        switch checks.tunnel {
        case .ready(let tunnel) where isNeeded: return tunnel
        case .failed(let until) where isNeeded && ContinuousClock.now < until: return nil
        case .compiling: return nil
        case .none where !isNeeded: return nil
        default:
            checks.tunnel = isNeeded ? .compiling : .none
            if isNeeded { Task { await makeTunnel() } }
            return nil
        }
    }

    /// Compiles away from the actor.
    private func makeTunnel() async {
        let compiler = compiler
        let compiled = await Task.detached { Result { try ProbeTunnel.Program(compiler: compiler) } }.value
        guard isRunning else { return }
        do {
            checks.tunnel = .ready(try ProbeTunnel(try compiled.get(), devices: devices.map(\.index)))
            try reconcile()
        } catch {
            log.error("\(error)")
            if case .compiling = checks.tunnel { checks.tunnel = .failed(until: .now + .seconds(60)) }
        }
    }

    // MARK: What is found

    private func note(_ report: Prober.Report) {
        guard isRunning else { return }
        switch report {
        case .fault(let words):
            // Every probe meets it: once a minute is enough.
            if let last = checks.lastFault, last + .seconds(60) > .now { return }
            checks.lastFault = .now
            log.error("health checks: \(words)")
        case .results(let results):
            checks.found += results
            guard !checks.isPending else { return }
            checks.isPending = true
            Task { await followHealth() }
        }
    }

    /// Where many backends fail at once, their changes are followed together. What is told of them and what packets
    /// meet change in one step.
    private func followHealth() async {
        try? await Task.sleep(for: .milliseconds(10))
        let results = checks.found
        checks.found = []
        checks.isPending = false
        guard isRunning else { return }
        // Who is checked for the first time and found up was used already.
        var isChanged = false
        for result in results where checks.targets[result.key] == result.target {
            guard let change = health.note(result.outcome, of: result.key, check: result.target.check) else { continue }
            isChanged = isChanged || change.before == .down || change.after == .down
            tell(change, of: result.key)
        }
        guard isChanged else { return }
        do {
            try reconcile()
        } catch {
            log.error("cannot follow a change of health: \(error)")
        }
    }

    private func tell(_ change: HealthBook.Change, of key: BackendKey) {
        guard let service = state.service(of: key.frontend),
            let now = health.health(of: service)
        else { return }
        let reason = change.after == .down ? ": \(change.reason ?? "")" : ""
        log.log(
            level: change.after == .down ? .warning : .notice,
            "service \(service.id) (\(service.frontend)): backend \(key.backend) is \(change.after.rawValue), was \(change.before.rawValue)\(reason) (\(now.healthy) of \(now.wanted) healthy)"
        )
    }

    private func tellPanics() {
        var panics: Set<Frontend> = []
        for service in state.services.values {
            if health.health(of: service)?.isPanic == true {
                panics.insert(service.frontend)
            }
        }
        for frontend in panics.subtracting(checks.panics).sorted() {
            log.error("\(frontend): too few backends are healthy: all are used")
        }
        for frontend in checks.panics.subtracting(panics).sorted() where state.service(of: frontend) != nil {
            log.notice("\(frontend): enough backends are healthy again: only those are used")
        }
        checks.panics = panics
    }
}
