import Foundation

/// What the package puts on the VM: the product in a folder of its version, the link that the unit goes by, the unit.
struct Installation: Sendable {
    let package: ExtensionPackage
    let layout: Layout
    let systemd: Systemd
    let log: HandlerLog

    private var service: AgentService { AgentService(systemd: systemd) }

    private struct Record: Codable { var version: String }

    /// What is installed; nil where nothing is.
    var installed: PackageVersion? {
        Files.read(layout.record).flatMap { try? JSONDecoder().decode(Record.self, from: $0) }
            .flatMap { PackageVersion($0.version) }
    }

    /// Whether all of this package's files are there.
    var isWhole: Bool {
        let folder = layout.product(package.version)
        return Files.target(layout.current) == package.version.product && Files.exists(layout.unit)
            && Files.exists(layout.handler)
            && package.productFiles.allSatisfy {
                Files.size("\(folder)/\($0)") == Files.size("\(package.folder)/\($0)")
            }
    }

    /// Installs the package where it has to be. A product that is at work is replaced while packets are balanced on; one
    /// that does not come up is taken back.
    func bring() async throws(HandlerError) {
        let before = installed
        let step = try Transition.install(
            package.version, over: before, isWhole: isWhole, isForbidden: Files.exists(layout.gate))
        switch step {
        case .nothing: break
        case .handler:
            log.info("\(before.map(\.description) ?? "") has the same product: it is left alone")
            try await renewHandler()
            try remember()
        case .product:
            try await Requirements.check(package, layout)
            try await bringProduct()
            try await renewHandler()
            try linkCommand()
            try remember()
            try removeOtherProducts()
            log.info("installed \(package.version)\(before.map { ", was \($0)" } ?? "")")
        }
    }

    private func bringProduct() async throws(HandlerError) {
        let (target, unit) = (Files.target(layout.current), Files.text(layout.unit))
        let folder = layout.product(package.version)
        let wasThere = Files.exists(folder)
        let isActive = await service.isActive
        do throws(HandlerError) {
            try copyProduct(to: folder)
            try Files.link(layout.current, to: package.version.product)
            let flags = unit.map(UnitTemplate.flags) ?? []
            try Files.write(Data(try package.unitTemplate().unit(flags: flags).utf8), to: layout.unit)
            try await systemd.reloadUnits()
            if isActive {
                try await service.restart()
            }
        } catch {
            log.error("\(error): what was there before is put back")
            try await putBack(target: target, unit: unit, isActive: isActive)
            if !wasThere { try Files.remove(folder) }
            throw error
        }
    }

    private func putBack(target: String?, unit: String?, isActive: Bool) async throws(HandlerError) {
        if let target { try Files.link(layout.current, to: target) } else { try Files.remove(layout.current) }
        if let unit { try Files.write(Data(unit.utf8), to: layout.unit) } else { try Files.remove(layout.unit) }
        try await systemd.reloadUnits()
        if isActive { try await service.restart() }
    }

    /// Into a folder that has its name only when it is whole.
    private func copyProduct(to folder: String) throws(HandlerError) {
        let new = "\(layout.products)/.new"
        let old = "\(layout.products)/.old"
        try Files.remove(new)
        try Files.remove(old)
        do {
            for file in package.productFiles {
                let target = "\(new)/\(file)"
                let source = "\(package.folder)/\(file)"
                var isFolder: ObjCBool = false
                guard FileManager.default.fileExists(atPath: source, isDirectory: &isFolder), !isFolder.boolValue else {
                    continue
                }
                try FileManager.default.createDirectory(
                    atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
                try FileManager.default.copyItem(atPath: source, toPath: target)
                // A zip has no modes, and the agent of Azure makes all files executable.
                let mode = file == "bin/l4lb" ? 0o755 : 0o644
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: target)
            }
        } catch {
            throw HandlerError(.files, "\(new) cannot be written: \(error.localizedDescription)")
        }
        if Files.exists(folder) { rename(folder, old) }
        guard rename(new, folder) == 0 else {
            throw HandlerError(.files, "\(folder) cannot be made: \(String(cString: strerror(errno)))")
        }
        try Files.remove(old)
    }

    /// The handler that keeps the status fresh, which outlives the package's folder.
    private func renewHandler() async throws(HandlerError) {
        guard let bytes = Files.read(package.handler, limit: 1 << 30) else {
            throw HandlerError(.missing, "\(package.handler) is missing: publish the package again")
        }
        try Files.write(bytes, to: layout.handler, mode: 0o755)
        // Where it is at work it is of the version before, and looks at that one's folder.
        guard Files.exists(layout.watchUnit) else { return }
        try Files.remove(layout.watchUnit)
        try await watch()
    }

    /// Has the status and the heartbeat of this package kept fresh.
    func watch() async throws(HandlerError) {
        let unit = Data(UnitTemplate.watchUnit(package: package.folder, layout: layout).utf8)
        let isNew = Files.read(layout.watchUnit) != unit
        if isNew {
            try Files.write(unit, to: layout.watchUnit)
            try await systemd.reloadUnits()
            try await systemd.enable(Layout.watchUnit)
        }
        let isActive = await systemd.isActive(Layout.watchUnit)
        guard isNew || !isActive else { return }
        try await systemd.restart(Layout.watchUnit)
    }

    /// For people at the VM; a command that is somebody else's stays.
    private func linkCommand() throws(HandlerError) {
        guard !Files.exists(layout.command) || ownsCommand else { return }
        try Files.link(layout.command, to: layout.agent)
    }

    var ownsCommand: Bool { Files.target(layout.command) == layout.agent }

    private func remember() throws(HandlerError) {
        let record = Record(version: package.version.description)
        try Files.write(StatusFile.encode(record), to: layout.record)
    }

    private func removeOtherProducts() throws(HandlerError) {
        for name in Files.names(in: layout.products) {
            guard PackageVersion(name) != nil, name != package.version.product else { continue }
            try Files.remove("\(layout.products)/\(name)")
        }
    }
}
