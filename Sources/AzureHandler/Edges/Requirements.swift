import Foundation

/// What the VM has to have before anything is put on it.
enum Requirements {
    /// `bpf_loop` and what the packet program needs besides: Linux 6.1.
    static let kernel = (major: 6, minor: 1)

    static func check(_ package: ExtensionPackage, _ layout: Layout) async throws(HandlerError) {
        let version = ProcessInfo.processInfo.operatingSystemVersion
        guard (version.majorVersion, version.minorVersion) >= kernel else {
            throw HandlerError(
                .unsupported,
                "this VM runs Linux \(version.majorVersion).\(version.minorVersion), and \(kernel.major).\(kernel.minor) or newer is needed: take an image with a newer kernel"
            )
        }
        guard Systemd.isThere else {
            throw HandlerError(.missing, "this VM is not run by systemd, which the service of l4lb needs")
        }
        let own = Files.text(layout.unit).map { $0.contains(layout.agent) ? nil : layout.unit } ?? nil
        if let other = own ?? layout.otherUnits.first(where: Files.exists) {
            throw HandlerError(
                .otherPackage,
                "l4lb was installed by other means (\(other)): remove that first, such as by apt purge l4lb")
        }
        let trial = await Program.run(package.agent, ["version"])
        guard trial.isGood else {
            throw HandlerError(.missing, "\(package.agent) does not start: \(trial.lastLine)")
        }
    }
}
