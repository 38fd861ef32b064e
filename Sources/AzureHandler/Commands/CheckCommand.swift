import ArgumentParser
import Foundation

/// For those who write settings.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tell whether public settings are right, as far as that shows without the VM.")
    @Argument(help: "A file of the public settings: a JSON object.", completion: .file())
    var file: String

    func run() async throws {
        guard let data = Files.read(file) else {
            throw HandlerError(.settings, "\(file) cannot be read, or is longer than \(SettingsFile.limit) bytes")
        }
        let deployment = try Deployment(data, ProtectedSettings(), device: "eth0", isTrial: true)
        try await checkOptions(deployment)
        FileHandle.standardOutput.write(
            Data("\(file): \(counted(deployment.services, "service")): nothing is wrong\n".utf8))
    }

    /// The agent's options are the agent's to judge.
    private func checkOptions(_ deployment: Deployment) async throws(HandlerError) {
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let beside = own.appendingPathComponent("l4lb").path
        guard let agent = [beside, Layout().agent].first(where: Files.exists) else {
            throw HandlerError(.missing, "\(beside) is missing, which judges the options of the agent")
        }
        let config = FileManager.default.temporaryDirectory.appendingPathComponent("l4lb-\(UUID()).json").path
        defer { unlink(config) }
        try Files.write(deployment.config, to: config, mode: 0o600)
        try await Deploying.check(by: agent, config: config)
    }
}
