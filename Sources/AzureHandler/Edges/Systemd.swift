/// The service manager, by `systemctl`: what a handler starts itself would end with the slice of its extension.
struct Systemd: Sendable {
    let log: HandlerLog

    /// Seconds at the most for a start or a stop: enable has 300 in all, for a restart and the way back.
    private static let patience = 70

    /// As sd_booted(3) tells it.
    static var isThere: Bool { Files.exists("/run/systemd/system") }

    func isActive(_ unit: String) async -> Bool {
        await Program.run("systemctl", ["is-active", "--quiet", unit]).isGood
    }

    func reloadUnits() async throws(HandlerError) { try await call(["daemon-reload"], .files) }

    /// At each boot.
    func enable(_ unit: String) async throws(HandlerError) { try await call(["enable", "--quiet", unit], .files) }

    /// Returns when its process runs.
    func start(_ unit: String) async throws(HandlerError) { try await bringUp("start", unit) }
    func restart(_ unit: String) async throws(HandlerError) { try await bringUp("restart", unit) }

    func stop(_ unit: String) async throws(HandlerError) { try await call(["stop", unit], .notStopped) }

    /// Now, and not at the next boot. One that is not there or not at work is no error.
    func end(_ unit: String, file: String) async throws(HandlerError) {
        guard Files.exists(file) else { return }
        try await stop(unit)
        try await call(["disable", "--quiet", unit], .notStopped)
        // One that has failed would be shown as such for ever.
        _ = await Program.run("systemctl", ["reset-failed", unit])
    }

    private func bringUp(_ verb: String, _ unit: String) async throws(HandlerError) {
        // What failed too often before may be tried again now.
        _ = await Program.run("systemctl", ["reset-failed", unit])
        let outcome = await Program.run("systemctl", [verb, unit], seconds: Self.patience)
        log.info("systemctl \(verb) \(unit): \(outcome.isGood ? "done" : "\(outcome.text) (\(outcome.status))")")
        guard outcome.isGood else { throw await notUp(unit, outcome.lastLine) }
    }

    /// With the last that it said, where there is a journal.
    func notUp(_ unit: String, _ words: String) async -> HandlerError {
        HandlerError(.notUp, "\(unit) does not come up: \(await reason(unit) ?? words)")
    }

    private func reason(_ unit: String) async -> String? {
        let journal = await Program.run(
            "journalctl", ["--unit", unit, "--lines=20", "--output=cat", "--no-pager", "--quiet"])
        guard journal.isGood else { return nil }
        let lines = journal.text.split(separator: "\n").map(String.init)
        return lines.last { $0.contains("error:") } ?? lines.last
    }

    private func call(_ arguments: [String], _ code: ExitCode) async throws(HandlerError) {
        let outcome = await Program.run("systemctl", arguments, seconds: Self.patience)
        log.info("systemctl \(arguments.joined(separator: " ")): \(outcome.isGood ? "done" : outcome.text)")
        guard outcome.isGood else {
            throw HandlerError(code, "systemctl \(arguments.joined(separator: " ")): \(outcome.lastLine)")
        }
    }
}
