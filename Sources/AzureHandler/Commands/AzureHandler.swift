import ArgumentParser
import Foundation

@main
struct AzureHandler: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "l4lb-azure-handler",
        abstract: "What the agent of Azure calls to install and run l4lb as a VM extension.",
        discussion: "How a command ends:\n\(ExitCode.table)",
        version: "l4lb-azure-handler \(Files.text("\(ExtensionPackage.own)/VERSION") ?? "without a package")",
        subcommands: [
            InstallCommand.self, EnableCommand.self, DisableCommand.self, UpdateCommand.self, UninstallCommand.self,
            ResetCommand.self, WatchCommand.self, CheckCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as HandlerError {
            FileHandle.standardError.write(Data("error: \(error)\n".utf8))
            Foundation.exit(error.code.rawValue)
        } catch {
            let code = exitCode(for: error)
            let text = fullMessage(for: error)
            (code == .success ? FileHandle.standardOutput : .standardError).write(Data("\(text)\n".utf8))
            Foundation.exit(code == .success ? 0 : ExitCode.usage.rawValue)
        }
    }
}

/// Where the package is.
struct PackageOptions: ParsableArguments {
    @Option(name: .customLong("package"), help: "The package's folder. (default: the one that this program lies in)")
    var folder: String?

    func open() throws(HandlerError) -> ExtensionPackage {
        try ExtensionPackage(folder.map { URL(fileURLWithPath: $0).path } ?? ExtensionPackage.own)
    }
}
