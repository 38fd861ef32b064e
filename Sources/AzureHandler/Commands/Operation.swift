import ArgumentParser
import Foundation

/// A command at work: the package, the VM, and whom it tells what.
struct Operation: Sendable {
    let name: String
    let package: ExtensionPackage
    let layout = Layout()
    let log: HandlerLog
    let variables: [String: String]

    var systemd: Systemd { Systemd(log: log) }
    var reporter: Reporter { Reporter(package: package) }
    var installation: Installation {
        Installation(package: package, layout: layout, systemd: systemd, log: log)
    }

    /// Ends balancing: the service, and what it has left in the kernel.
    func stop() async throws(HandlerError) {
        try await systemd.end(Layout.watchUnit, file: layout.watchUnit)
        try await systemd.end(Layout.unit, file: layout.unit)
        guard Files.exists(layout.pins) else { return }
        let agent = Files.exists(layout.agent) ? layout.agent : package.agent
        let outcome = await Program.run(agent, ["detach"])
        log.info("l4lb detach: \(outcome.isGood ? "done" : outcome.text)")
        guard outcome.isGood else {
            throw HandlerError(.notStopped, "the packet path cannot be removed: l4lb detach: \(outcome.lastLine)")
        }
    }
}

/// One of the commands that the agent of Azure calls.
protocol HandlerCommand: AsyncParsableCommand {
    static var operation: String { get }
    var package: PackageOptions { get }
    /// What was done, in one line.
    func act(_ operation: Operation) async throws(HandlerError) -> String
}

extension HandlerCommand {
    func run() async throws {
        let package = try package.open()
        let log = HandlerLog(
            folder: package.environment.folders.logFolder, operation: Self.operation,
            version: package.version.description)
        let lock = try Lock(package.environment.folders.logFolder)
        defer { lock.release() }
        let operation = Operation(
            name: Self.operation, package: package, log: log, variables: ProcessInfo.processInfo.environment)
        do throws(HandlerError) {
            let words = try await act(operation)
            log.info(words)
            operation.reporter.event(Self.operation, isError: false, words)
        } catch {
            log.error("\(error) (exit code \(error.code.rawValue))")
            operation.reporter.event(Self.operation, isError: true, error.description)
            throw error
        }
    }
}
