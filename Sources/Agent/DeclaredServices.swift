import Addresses
import Balancer
import Foundation

/// What a file declares: planned, applied, confirmed or taken back.
extension LoadBalancer {
    public var desiredState: DesiredState { state }

    /// What applying would do, with what it takes to say what that does to connections.
    public struct Preview: Sendable {
        public var change: StateChange
        /// Living ones.
        public var connections: [BackendKey: Int]
    }

    public func preview(_ declared: DeclaredState) throws -> Preview {
        var wanted = state
        let change = try wanted.apply(declared, origin: .file)
        try check(change, of: declared)
        var connections: [BackendKey: Int] = [:]
        let census = FlowCensus(try dataplane.snapshot())
        for (key, index) in indices.all { connections[key] = census.connections(at: index) }
        return Preview(change: change, connections: connections)
    }

    public struct Applied: Sendable {
        public var change: StateChange
        public var mode: Mode
        /// Seconds until it is taken back; nil where it stays.
        public var confirmSeconds: Int64?
        public var warnings: [String]
    }

    /// Returns when the packet path has it; for link addresses that are still missing it waits for up to 2 seconds.
    public func apply(_ declared: DeclaredState, confirmSeconds: Int64? = nil) async throws -> Applied {
        let change = try await change { state throws(BalancerError) in
            let time = confirmSeconds.map { Trial.Time(now: Self.now, seconds: $0) }
            return try state.apply(declared, origin: .file, trial: time)
        } check: {
            try check($0, of: declared)
        }
        awaitConfirmation()
        let services = change.created + change.replaced.map(\.new)
        await awaitLinkAddresses(services)
        return Applied(
            change: change, mode: state.mode, confirmSeconds: self.confirmSeconds, warnings: warnings(of: services))
    }

    /// Warnings shown at the most: a state of a thousand services could have as many.
    private static let warningLimit = 20

    private func warnings(of services: [Service]) -> [String] {
        let all = services.lazy.flatMap { service in self.warnings(service).map { "\(service.frontend): \($0)" } }
        let shown = Array(all.prefix(Self.warningLimit))
        return shown.count < Self.warningLimit ? shown : shown + ["there are more warnings: see 'neighbor list'"]
    }

    /// What is new has to be reachable; what was there already is not held against the rest.
    private func check(_ change: StateChange, of declared: DeclaredState) throws {
        lazy var places = Dictionary(
            uniqueKeysWithValues: declared.services.enumerated().map { ($1.frontend, $0) })
        func check(_ service: Service, known: Set<Endpoint>) throws {
            do {
                if known.isEmpty { try refuseHostsPorts(service) }
                try refuseUnreachable(service, except: known)
            } catch let error as BalancerError {
                throw places[service.frontend].map(error.of) ?? error
            }
        }
        for service in change.created { try check(service, known: []) }
        for pair in change.replaced { try check(pair.new, known: Set(pair.old.backends.map(\.endpoint))) }
    }

    // MARK: Confirming

    private static var now: Int64 { Int64(Date.now.timeIntervalSince1970) }

    /// Seconds until what was applied is taken back; nil where nothing waits.
    public var confirmSeconds: Int64? { state.trial?.remaining(at: Self.now) }

    public func confirm() async throws {
        try await change { state throws(BalancerError) in try state.confirm() }
        awaitConfirmation()
        log.notice("what was applied is confirmed")
    }

    /// To be called when there may be another trial, or none.
    func awaitConfirmation() {
        expiry?.cancel()
        expiry = nil
        guard let trial = state.trial else { return }
        let left = trial.remaining(at: Self.now)
        expiry = Task { [weak self] in
            try? await Task.sleep(for: .seconds(left))
            while !Task.isCancelled, await self?.takeBack(trial) == false {
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// False where it has to be tried again.
    private func takeBack(_ trial: Trial) async -> Bool {
        guard isRunning, state.trial == trial else { return true }
        do {
            let (change, problems) = try await change { state throws(BalancerError) in state.takeBack() }
            log.warning(
                "not confirmed within \(trial.seconds) seconds, so it is taken back: \(change.removed.count) services removed, \(change.created.count) put back, \(change.replaced.count) as they were before, the mode is \(state.mode.rawValue)"
            )
            for problem in problems { log.error("\(problem)") }
            return true
        } catch {
            log.error("what was not confirmed cannot be taken back yet: \(error)")
            return false
        }
    }
}
