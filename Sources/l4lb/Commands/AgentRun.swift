import API
import Agent
import Foundation
import Logging

/// An agent's life: from its flags and its file to its end.
extension AgentCommand {
    /// Runs the agent until its end; the exit code. `words`: the command line.
    func serve(_ output: Output, words: [String]) async throws -> Int32 {
        let start = try StartConfig(self, words: words)
        if check {
            try start.check(output)
            return 0
        }
        return try await start.command.serve(output, start)
    }

    private func serve(_ output: Output, _ start: StartConfig) async throws -> Int32 {
        let options = try options()
        let socket = try socketFile()
        let plan = try listenPlan()
        let (hangups, hangup) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let signals = EndSignals(isService: noRepl) { hangup.yield() }
        let events = EventLog()
        let log = try events.logger(file: logFile, isService: noRepl)
        let balancer = try LoadBalancer(options, environment: ProcessInfo.processInfo.environment, log: log)
        let agent = LocalAgent(balancer, of: self)
        let services = config.map {
            FileServices(path: $0, agent: agent, log: log, copy: noRepl ? StartConfig.copy(of: self) : nil)
        }
        try await begin(balancer, services, start)
        let api = try await answerAPI(at: socket, plan, agent)
        guard noRepl else {
            let loop = PromptLoop(agent, events: events, signals: signals)
            if loop.isTerminal { output.note(try await greeting(balancer)) }
            let code = await loop.run()
            await api.stop()
            await balancer.stop()
            return code
        }
        let greeting = try await greeting(balancer)
        log.notice("\(greeting.split(separator: "\n")[0])")
        let manager = ServiceManager()
        manager.tell("READY=1")
        let watch = manager.watch { _ = await balancer.mode }
        let reloading = Task {
            for await _ in hangups {
                let isRenewed = api.renewCertificate(log)
                if let services {
                    await services.reload(manager)
                } else if !isRenewed {
                    log.notice("SIGHUP: there is no --config to read again")
                }
            }
        }
        await signals.wait()
        reloading.cancel()
        watch?.cancel()
        manager.tell("STOPPING=1")
        await api.stop()
        await balancer.stop(detaches: detachOnExit)
        return 0
    }

    /// Balances as the file says, or not at all; a packet path that was at work goes on as it was where the file is
    /// bad.
    private func begin(_ balancer: LoadBalancer, _ services: FileServices?, _ start: StartConfig) async throws {
        let waits = await balancer.confirmSeconds != nil
        try await balancer.start()
        guard let services, let file = start.file else { return }
        if waits {
            services.log.notice(
                "\(services.path): not applied now, as what was applied before waits for its confirmation: SIGHUP applies it"
            )
            return
        }
        do {
            if let fault = start.fault { throw fault }
            try await services.apply(file)
        } catch {
            guard await balancer.tookOver else {
                await balancer.stop(detaches: true)
                throw error
            }
            let text = Output.text(of: error, parser: L4LB.self)?.line ?? "\(error)"
            services.log.error("\(text): the packet path goes on with the services that it had")
        }
    }
}
