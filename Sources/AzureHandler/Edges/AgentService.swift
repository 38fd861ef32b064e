/// The agent's service, which is up when its API says that packets are balanced.
struct AgentService: Sendable {
    let systemd: Systemd

    /// Seconds at the most: compilation and the wait for link addresses are in it.
    private static let patience = 40

    var isActive: Bool { get async { await systemd.isActive(Layout.unit) } }

    func start() async throws(HandlerError) {
        try await systemd.start(Layout.unit)
        try await waitForPackets()
    }

    func restart() async throws(HandlerError) {
        try await systemd.restart(Layout.unit)
        try await waitForPackets()
    }

    private func waitForPackets() async throws(HandlerError) {
        for _ in 0..<Self.patience * 5 {
            if await RunningAgent.isReady() { return }
            // One that has ended and waits for its next attempt is not active either.
            guard await isActive else { throw await systemd.notUp(Layout.unit, "it has ended") }
            try? await Task.sleep(for: .milliseconds(200))
        }
        throw await systemd.notUp(Layout.unit, "it does not answer at \(Layout.socket) after \(Self.patience) s")
    }
}
