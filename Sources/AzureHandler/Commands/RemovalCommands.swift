import ArgumentParser
import Foundation

struct DisableCommand: HandlerCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "End balancing. Where an update follows, packets are balanced on until it comes.")
    static let operation = "disable"
    @OptionGroup var package: PackageOptions

    func act(_ operation: Operation) async throws(HandlerError) -> String {
        try operation.reporter.beat(.notReady, "disabled")
        if let follower = operation.package.follower { return "\(follower) follows: the agent goes on until then" }
        try await operation.stop()
        return "disabled"
    }
}

struct UninstallCommand: HandlerCommand {
    static let configuration = CommandConfiguration(
        commandName: "uninstall", abstract: "Remove all that the extension has put on the VM but its log.")
    static let operation = "uninstall"
    @OptionGroup var package: PackageOptions

    func act(_ operation: Operation) async throws(HandlerError) -> String {
        let installation = operation.installation
        let step = Transition.uninstall(
            operation.package.version, installed: installation.installed,
            isFollowed: operation.package.follower != nil)
        switch step {
        case .othersStay:
            return "\(installation.installed?.description ?? "another version") is installed, which stays"
        case .pathStays:
            try await operation.systemd.end(Layout.watchUnit, file: operation.layout.watchUnit)
            try await operation.systemd.end(Layout.unit, file: operation.layout.unit)
            try await removeProgram(operation)
            return
                "removed, and packets are balanced on for \(operation.package.follower ?? "the version that follows")"
        case .everything:
            try await operation.stop()
            try await removeProgram(operation)
            try removeData(operation.layout)
            return "removed"
        }
    }

    private func removeProgram(_ operation: Operation) async throws(HandlerError) {
        let layout = operation.layout
        if operation.installation.ownsCommand { try Files.remove(layout.command) }
        try Files.remove(layout.watchUnit)
        try Files.remove(layout.unit)
        try await operation.systemd.reloadUnits()
        try Files.remove(layout.products)
    }

    private func removeData(_ layout: Layout) throws(HandlerError) {
        for path in [layout.config, layout.certificates, layout.state, layout.runtime] { try Files.remove(path) }
        // The gate, and what else people have put there, is theirs.
        rmdir(layout.configFolder)
        guard !Files.exists(layout.pins) else {
            throw HandlerError(.removal, "\(layout.pins) is still there")
        }
    }
}

struct ResetCommand: HandlerCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Before an image is made of the VM: forget the settings, the secrets and what was learned.",
        discussion: "The agent of Azure does not call it on Linux. The next enable makes everything anew.")
    static let operation = "reset"
    @OptionGroup var package: PackageOptions

    func act(_ operation: Operation) async throws(HandlerError) -> String {
        let layout = operation.layout
        try await operation.stop()
        for path in [layout.config, layout.certificates, layout.state] { try Files.remove(path) }
        try operation.reporter.forget()
        let log = "\(operation.package.environment.folders.logFolder)/\(HandlerLog.fileName)"
        for path in [log, log + ".1"] { try Files.remove(path) }
        return "settings, secrets and state are forgotten"
    }
}
