import Foundation

/// Makes the VM as a deployment wants it, or leaves it as it was.
struct Deploying {
    let operation: Operation
    private var layout: Layout { operation.layout }
    private var systemd: Systemd { operation.systemd }
    private var service: AgentService { AgentService(systemd: systemd) }

    init(_ operation: Operation) {
        self.operation = operation
    }

    /// What was done, in a few words.
    func deploy(_ deployment: Deployment) async throws(HandlerError) -> String {
        let flags = Convergence.flags(deployment)
        let convergence = Convergence(
            deployment, unit: try operation.package.unitTemplate().unit(flags: flags), layout: layout,
            isActive: await service.isActive
        ) { Files.read($0) }
        let before = convergence.files.map {
            Convergence.File(path: $0.path, bytes: Files.read($0.path), mode: $0.mode)
        }
        guard convergence.action != .apply else {
            // The agent first: what it refuses is not written.
            try await RunningAgent.apply(deployment.config)
            try write(convergence.files)
            return convergence.files.isEmpty ? "nothing has changed" : "the agent has them"
        }
        let isBalancing = Files.exists(layout.pins)
        do throws(HandlerError) {
            try write(convergence.files)
            try await Self.check(by: layout.agent, flags: flags)
            if convergence.reloadsUnits { try await systemd.reloadUnits() }
            if convergence.action == .restart {
                try await service.restart()
            } else {
                try await service.start()
            }
            // An agent that found packets being balanced comes up with a bad file too, and goes on as it was.
            try await RunningAgent.apply(deployment.config)
        } catch {
            operation.log.error("\(error): what was there before is put back")
            try await putBack(before, convergence, isBalancing: isBalancing)
            // Why it did not come up may be what the settings say.
            let words = Deployment.words(ofAgent: error.description)
            throw words == error.description ? error : HandlerError(.settings, words)
        }
        return convergence.action == .restart ? "the agent was started anew with them" : "the agent was started"
    }

    private func putBack(
        _ files: [Convergence.File], _ convergence: Convergence, isBalancing: Bool
    ) async throws(HandlerError) {
        try write(files)
        if convergence.reloadsUnits { try await systemd.reloadUnits() }
        if convergence.action == .restart {
            try await service.restart()
        } else if isBalancing {
            // Without an agent, such as one that had failed: packets go on. It may be about to be tried again.
            try await systemd.stop(Layout.unit)
        } else {
            try await operation.stop()
        }
    }

    private func write(_ files: [Convergence.File]) throws(HandlerError) {
        for file in files {
            if let bytes = file.bytes {
                try Files.write(bytes, to: file.path, mode: file.mode)
            } else {
                try Files.remove(file.path)
            }
        }
        if files.contains(where: { $0.path.hasPrefix(layout.certificates) }) {
            // Only root looks into it; where nothing is left in it, it goes.
            chmod(layout.certificates, 0o700)
            rmdir(layout.certificates)
        }
    }

    /// Whether an agent takes its options, before one that is at work is stopped for them.
    static func check(
        by agent: String, config: String = Layout.configFile, flags: [String] = []
    ) async throws(HandlerError) {
        let outcome = await Program.run(agent, ["agent", "--no-repl", "--config=\(config)"] + flags + ["--check"])
        guard !outcome.isGood else { return }
        throw HandlerError(.settings, Deployment.words(ofAgent: outcome.lastLine))
    }
}
