import ArgumentParser
import Balancer
import Foundation

struct EnableCommand: HandlerCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Make the VM balance as the settings want it, and the service start at each boot.")
    static let operation = "enable"
    @OptionGroup var package: PackageOptions

    func act(_ operation: Operation) async throws(HandlerError) -> String {
        guard let sequence = operation.package.sequence(operation.variables) else {
            throw HandlerError(
                .environment, "no \(SequenceNumber.variable) and no settings file in the config folder: which settings?"
            )
        }
        let reporter = operation.reporter
        try reporter.status(sequence, Self.operation, .transitioning, "the settings are being put into effect")
        do throws(HandlerError) {
            let done = try await enable(operation, sequence)
            try reporter.remember(sequence)
            let condition = await RunningAgent.condition()
            try reporter.status(
                sequence, Self.operation, .success, condition.summary + done.note, condition.substatus)
            try reporter.beat(.ready, condition.summary)
            return done.words + done.note
        } catch {
            return try await fail(operation, sequence, error)
        }
    }

    /// What was done, and what the user should know.
    private func enable(
        _ operation: Operation, _ sequence: Int
    ) async throws(HandlerError) -> (words: String, note: String) {
        let settings = try operation.package.settings(sequence)
        let secrets = try await operation.package.secrets(settings)
        let deployment = try Deployment(settings.publicSettings, secrets, device: Self.defaultDevice)
        try Self.checkDevices(deployment)
        try await operation.installation.bring()
        let words = try await Deploying(operation).deploy(deployment)
        try await operation.systemd.enable(Layout.unit)
        try await operation.installation.watch()
        return (
            "settings \(sequence), \(counted(deployment.services, "service")): \(words)",
            secrets.hasOthers ? "; protectedSettings has members beside api, which are not used" : ""
        )
    }

    /// The status says what is wrong. Where the last good configuration is still at work, the handler is ready, and the
    /// command's end is none of failure.
    private func fail(
        _ operation: Operation, _ sequence: Int, _ error: HandlerError
    ) async throws(HandlerError) -> String {
        let condition = await RunningAgent.condition()
        let goesOn = await operation.systemd.isActive(Layout.unit)
        let words = goesOn ? "\(error); the last good configuration goes on" : error.description
        try operation.reporter.remember(sequence)
        try operation.reporter.status(
            sequence, Self.operation, .error, code: error.code, words, condition.substatus)
        try operation.reporter.beat(goesOn ? .ready : .notReady, words)
        guard goesOn else { throw error }
        operation.log.error("\(error) (status code \(error.code.rawValue))")
        return "the last good configuration goes on"
    }

    /// Before an agent is stopped for options that it could not start with again.
    private static func checkDevices(_ deployment: Deployment) throws(HandlerError) {
        guard let name = deployment.options.devices?.first(where: { if_nametoindex($0) == 0 }) else { return }
        throw HandlerError(
            .settings,
            "publicSettings.agent.devices: this VM has no network interface named \(printable(name, limit: 20))")
    }

    private static var defaultDevice: String? {
        Files.text("/proc/net/route").flatMap { DefaultRoute.device($0) }
            ?? Files.text("/proc/net/ipv6_route").flatMap { DefaultRoute.device6($0) }
    }
}
