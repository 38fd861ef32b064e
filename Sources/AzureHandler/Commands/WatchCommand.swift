import ArgumentParser
import Foundation

/// The service beside the agent.
struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Keep the status of the services fresh, and the heartbeat where the manifest has one.",
        discussion: "It ends when the package's folder has gone.")
    @OptionGroup var package: PackageOptions

    /// Seconds between two looks.
    private static let period = 10

    func run() async throws {
        let package = try package.open()
        let reporter = Reporter(package: package)
        var beaten = (words: "", at: ContinuousClock.Instant?.none)
        while Files.exists("\(package.folder)/\(HandlerEnvironment.fileName)") {
            let condition = await RunningAgent.condition()
            let isReady = await RunningAgent.isReady()
            let isDue = beaten.at.map { $0 + .seconds(Heartbeat.period) <= .now } ?? true
            if isDue || condition.summary != beaten.words {
                try? reporter.beat(isReady ? .ready : .notReady, condition.summary)
                beaten = (condition.summary, .now)
            }
            refresh(reporter, condition)
            try await Task.sleep(for: .seconds(Self.period))
        }
    }

    /// A command that is at work writes the status itself.
    private func refresh(_ reporter: Reporter, _ condition: Condition) {
        guard let lock = try? Lock(reporter.package.environment.folders.logFolder, patience: 0) else { return }
        defer { lock.release() }
        guard let sequence = reporter.lastSequence,
            let data = Files.read(reporter.statusPath(sequence)), var status = try? StatusFile(data),
            status.refresh(condition, at: Date())
        else { return }
        try? Files.write(status.data, to: reporter.statusPath(sequence))
    }
}
