import Foundation

/// What the agent of Azure is told: the status of a sequence number, a heartbeat, events.
struct Reporter: Sendable {
    let package: ExtensionPackage

    private var folders: HandlerEnvironment.Folders { package.environment.folders }

    func statusPath(_ sequence: Int) -> String { "\(folders.statusFolder)/\(sequence).status" }

    func status(
        _ sequence: Int, _ operation: String, _ kind: StatusFile.Kind, code: ExitCode = .done, _ message: String,
        _ substatus: [StatusFile.Substatus] = []
    ) throws(HandlerError) {
        let status = StatusFile(
            name: package.environment.name, operation: operation, kind, code: code, message, substatus: substatus,
            at: Date())
        try Files.write(status.data, to: statusPath(sequence))
    }

    /// Where the manifest asks for it.
    func beat(_ kind: Heartbeat.Kind, _ message: String) throws(HandlerError) {
        guard package.reportsHeartbeat else { return }
        try Files.write(Heartbeat(kind, message).data, to: folders.heartbeatFile)
    }

    /// It is for the eyes of the platform: that there is no folder for it is no error.
    func event(_ operation: String, isError: Bool, _ message: String) {
        guard let folder = folders.eventsFolder, Files.exists(folder),
            Files.names(in: folder).count < TelemetryEvent.waitingLimit
        else { return }
        let event = TelemetryEvent(
            operation, isError: isError, message, version: package.version.description, process: getpid(),
            operation: UUID(), at: Date())
        try? Files.write(event.data, to: "\(folder)/\(event.fileName)")
    }

    // MARK: The most recent sequence number, by the convention of handlers

    private var sequencePath: String { "\(package.folder)/mrseq" }
    var lastSequence: Int? { Files.text(sequencePath).flatMap { Int($0) } }
    func remember(_ sequence: Int) throws(HandlerError) {
        try Files.write(Data(String(sequence).utf8), to: sequencePath)
    }

    /// What must not be in an image that is made of this VM.
    func forget() throws(HandlerError) {
        for name in Files.names(in: folders.statusFolder) where name.hasSuffix(".status") {
            try Files.remove("\(folders.statusFolder)/\(name)")
        }
        for name in folders.eventsFolder.map(Files.names(in:)) ?? [] {
            try Files.remove("\(folders.eventsFolder ?? "")/\(name)")
        }
        try Files.remove(sequencePath)
        try Files.remove(folders.heartbeatFile)
    }
}
