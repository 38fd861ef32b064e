import Balancer

/// `mode update`: no packet is lost and no connection breaks, as each connection stays in the mode
/// it began in. The program carries both paths until the last connection of the old mode has ended.
extension LoadBalancer {
    public var mode: Mode { state.mode }

    /// False where the mode is the one that was asked for already.
    public func updateMode(_ mode: Mode) async throws -> Bool {
        guard mode != state.mode else { return false }
        try await carry([.snat, .dsr])
        let before = state
        state.mode = mode
        do {
            try reconcile()
        } catch {
            state = before
            try? reconcile()
            throw error
        }
        return true
    }

    /// Runs a program that has these paths, compiled for the set.
    private func carry(_ paths: Set<Mode>) async throws {
        guard isRunning, dataplane.paths != paths else { return }
        let program = try await program(for: paths)
        guard isRunning, dataplane.paths != paths else { return }
        try dataplane.replace(with: program)
        log.info("the program carries \(paths.map(\.rawValue).sorted().joined(separator: " and "))")
    }

    /// Compiles away from the actor, so that commands and the timer go on meanwhile.
    private func program(for paths: Set<Mode>) async throws -> PacketProgram {
        if let known = programs[paths] { return known }
        guard isRunning else { throw AgentError("the agent is ending") }
        let (clang, size) = (clang, options.maglevSize)
        let task = Task.detached { try PacketProgram(paths: paths, clang: clang, maglevSize: size) }
        compiling.append(task)
        defer { compiling.removeAll { $0 == task } }
        let program = try await task.value
        programs[paths] = program
        return program
    }

    /// Goes back to a program of one path once no connection needs the other.
    func leaveOldPaths() async {
        let wanted = Set([state.mode])
        guard isRunning, dataplane.paths != wanted, census.connections.keys.allSatisfy(wanted.contains) else { return }
        do {
            let mode = state.mode
            let program = try await program(for: wanted)
            // The mode may have changed back, and connections may have begun, while clang ran.
            guard isRunning, state.mode == mode else { return }
            census = FlowCensus(try dataplane.snapshot())
            guard census.connections.keys.allSatisfy(wanted.contains) else { return }
            try dataplane.replace(with: program)
        } catch {
            guard isRunning else { return }
            log.error("cannot leave the paths of the old mode: \(error)")
        }
    }
}
