import Balancer

/// `mode update`, and the program's paths: no packet is lost and no connection breaks, as each connection stays in
/// the mode it began in. The program carries a path until nobody needs it any more.
extension LoadBalancer {
    public var mode: Mode { state.mode }

    /// False where the mode is the one that was asked for already.
    public func updateMode(_ mode: Mode) async throws -> Bool {
        guard mode != state.mode else { return false }
        try await change { state throws(BalancerError) in try state.setMode(mode) }
        return true
    }

    /// Changes the desired state, and the maps after it. The program that the change needs runs before: it is
    /// compiled while commands and the timer go on, so the change is made again on what the state is then. Where a
    /// step fails nothing has changed.
    @discardableResult
    func change<Result>(
        _ edit: (inout DesiredState) throws(BalancerError) -> Result,
        check: (Result) throws -> Void = { _ in }
    ) async throws -> Result {
        var asksNeighbours = true
        while true {
            var wanted = state
            let result = try edit(&wanted)
            try check(result)
            if asksNeighbours {
                asksNeighbours = false
                let backends = wanted.services.values.flatMap { $0.backends.map(\.endpoint.address) }
                if try await learnNeighbours(Set(backends)) { continue }
            }
            guard dataplane.paths.isSuperset(of: wanted.paths) else {
                try await carry(wanted.paths)
                continue
            }
            let before = (state, indices)
            state = wanted
            do {
                try reconcile()
            } catch {
                (state, indices) = before
                try? reconcile()
                throw error
            }
            return result
        }
    }

    /// Runs a program that has these paths too.
    private func carry(_ paths: Paths) async throws {
        guard isRunning else { throw AgentError("the agent is ending") }
        let program = try await program(for: dataplane.paths.union(paths))
        guard isRunning, program.paths.isSuperset(of: dataplane.paths), program.paths != dataplane.paths else { return }
        let hadIPv6 = dataplane.maps.ipv6 != nil
        try dataplane.replace(with: program)
        log.info("the program carries \(program.paths)")
        if !hadIPv6, dataplane.maps.ipv6 != nil {
            log.info("the flow table of IPv6 takes \(dataplane.maps.sizes.flowTable6Bytes >> 20) MiB")
        }
    }

    /// Compiles away from the actor, so that commands and the timer go on meanwhile.
    private func program(for paths: Paths, isDry: Bool = false) async throws -> PacketProgram {
        if let known = isDry ? dryPrograms[paths] : programs[paths] { return known }
        guard isRunning else { throw AgentError("the agent is ending") }
        let (compiler, size) = (compiler, options.maglevSize)
        let task = Task.detached { try PacketProgram(paths: paths, compiler: compiler, maglevSize: size, isDry: isDry) }
        compiling.append(task)
        let start = ContinuousClock.now
        var isDone = false
        defer {
            compiling.removeAll { $0 == task }
            compilations.add(ContinuousClock.now - start, failed: !isDone)
        }
        let program = try await task.value
        isDone = true
        if isDry { dryPrograms[paths] = program } else { programs[paths] = program }
        return program
    }

    /// The program of the paths that run, as it writes into no map.
    func dryProgram() async throws -> PacketProgram {
        while true {
            let paths = dataplane.paths
            let program = try await program(for: paths, isDry: true)
            if dataplane.paths == paths { return program }
        }
    }

    /// What services and living connections need.
    private var neededPaths: Paths {
        var paths = state.paths
        paths.modes.formUnion(census.connections.keys)
        paths.ipv6 =
            paths.ipv6
            || census.backends.contains { $1.connections.total > 0 && indices.key(at: $0)?.needsIPv6 ?? false }
        return paths
    }

    /// Goes to a program without the paths that nobody needs any more.
    func leaveOldPaths() async {
        let wanted = neededPaths
        guard isRunning, dataplane.paths != wanted, dataplane.paths.isSuperset(of: wanted) else { return }
        do {
            let program = try await program(for: wanted)
            guard isRunning else { return }
            // The state may have changed, and connections may have begun, while clang ran.
            census = FlowCensus(try dataplane.snapshot())
            guard neededPaths == wanted, dataplane.paths.isSuperset(of: wanted) else { return }
            try dataplane.replace(with: program)
            log.info("the program carries \(wanted)")
        } catch {
            guard isRunning else { return }
            log.error("cannot leave the paths of the old mode: \(error)")
        }
    }
}
