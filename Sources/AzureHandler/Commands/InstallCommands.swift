import ArgumentParser

struct InstallCommand: HandlerCommand {
    static let configuration = CommandConfiguration(
        commandName: "install", abstract: "Put the product on the VM. It starts nothing that was not at work.")
    static let operation = "install"
    @OptionGroup var package: PackageOptions

    func act(_ operation: Operation) async throws(HandlerError) -> String {
        try await operation.installation.bring()
        return "\(operation.package.version) is installed"
    }
}

struct UpdateCommand: HandlerCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Put this version in the place of an older one, while packets are balanced.")
    static let operation = "update"
    @OptionGroup var package: PackageOptions

    func act(_ operation: Operation) async throws(HandlerError) -> String {
        let target = operation.variables["VERSION"].flatMap { PackageVersion($0) }
        guard !Transition.isDowngrade(operation.package.version, target: target) else {
            return "a lower version was asked for, \(target?.description ?? ""): its install does the rest"
        }
        try await operation.installation.bring()
        return "updated to \(operation.package.version)"
    }
}
