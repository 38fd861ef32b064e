import Foundation

/// The package as the agent of Azure has unpacked it.
struct ExtensionPackage: Sendable {
    let folder: String
    let version: PackageVersion
    let environment: HandlerEnvironment
    let reportsHeartbeat: Bool

    /// The folder above the one that this program lies in.
    static var own: String {
        let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return binary.deletingLastPathComponent().deletingLastPathComponent().path
    }

    init(_ folder: String) throws(HandlerError) {
        self.folder = folder
        guard let text = Files.text("\(folder)/VERSION"),
            let version = PackageVersion(text.trimmingCharacters(in: .whitespacesAndNewlines))
        else { throw HandlerError(.missing, "\(folder)/VERSION is missing or damaged: publish the package again") }
        self.version = version
        guard let data = Files.read("\(folder)/\(HandlerEnvironment.fileName)") else {
            throw HandlerError(
                .environment,
                "\(folder)/\(HandlerEnvironment.fileName) is missing: the agent of Azure writes it when it installs the extension"
            )
        }
        environment = try HandlerEnvironment(data)
        let manifest = Files.read("\(folder)/\(HandlerManifest.fileName)")
            .flatMap { try? JSONDecoder().decode(HandlerManifest.self, from: $0) }
        reportsHeartbeat = manifest?.reportsHeartbeat ?? false
    }

    /// What the product is made of, in the package and on the VM.
    var productFiles: [String] {
        let library = FileManager.default.enumerator(atPath: "\(folder)/lib")?.compactMap { $0 as? String } ?? []
        return ["bin/l4lb"] + library.map { "lib/\($0)" }.sorted()
    }

    var handler: String { "\(folder)/bin/l4lb-azure-handler" }
    var agent: String { "\(folder)/bin/l4lb" }

    func unitTemplate() throws(HandlerError) -> UnitTemplate {
        guard let text = Files.text("\(folder)/unit/\(Layout.unit)") else {
            throw HandlerError(.missing, "\(folder)/unit/\(Layout.unit) is missing: publish the package again")
        }
        return try UnitTemplate(text)
    }

    /// Another version that is about to take this one's place.
    var follower: String? {
        let parent = (folder as NSString).deletingLastPathComponent
        let own = (folder as NSString).lastPathComponent
        return Files.names(in: parent).sorted().first { name in
            guard name != own, name.hasPrefix("\(environment.name)-"),
                PackageVersion(String(name.dropFirst(environment.name.count + 1))) != nil
            else { return false }
            return Sibling(
                state: Files.text("\(parent)/\(name)/config/HandlerState")?
                    .trimmingCharacters(in: .whitespacesAndNewlines),
                isPrepared: Files.exists("\(parent)/\(name)/\(HandlerEnvironment.fileName)")
            ).follows
        }
    }

    // MARK: Settings

    func sequence(_ variables: [String: String]) -> Int? {
        let files = Files.names(in: environment.folders.configFolder).compactMap { name in
            Files.modified("\(environment.folders.configFolder)/\(name)").map { (name: name, modified: $0) }
        }
        return SequenceNumber.current(variables, files: files)
    }

    func settings(_ sequence: Int) throws(HandlerError) -> SettingsFile {
        let path = "\(environment.folders.configFolder)/\(sequence).settings"
        guard let data = Files.read(path) else {
            throw HandlerError(.environment, "\(path) is missing or longer than \(SettingsFile.limit) bytes")
        }
        return try SettingsFile(data)
    }

    func secrets(_ settings: SettingsFile) async throws(HandlerError) -> ProtectedSettings {
        guard let sealed = settings.sealed else { return ProtectedSettings() }
        return try ProtectedSettings(
            try await Seal.open(sealed, folder: (folder as NSString).deletingLastPathComponent))
    }
}
