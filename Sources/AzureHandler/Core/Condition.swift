import API

/// How the data plane and each service do, as the status tells it.
struct Condition: Sendable {
    var substatus: [StatusFile.Substatus]
    /// One line.
    var summary: String

    private typealias Entry = StatusFile.Substatus

    init(_ status: StatusReport, _ services: [ServiceReport]) {
        let devices = status.devices.map { "\($0.name) (\($0.xdpMode) XDP)" }.joined(separator: ", ")
        let words =
            "\(status.mode) on \(devices), program compiled: \(status.compiled), \(counted(status.connections, "connection"))"
        let plane = Entry(name: "data plane", status: .success, formattedMessage: .init(message: words))
        let entries = services.map(Self.entry)
        // What is wrong comes first, as there may be more than fit.
        substatus =
            [plane]
            + [StatusFile.Kind.error, .warning, .success].flatMap { kind in entries.filter { $0.status == kind } }
        if services.contains(where: { $0.mode == "dsr" }) { substatus.insert(Self.dsr, at: 1) }
        let wrong = entries.count { $0.status != .success }
        summary =
            "\(status.mode) on \(devices): \(counted(services.count, "service"))"
            + (wrong == 0 ? "" : ", \(wrong) with backends that are down")
    }

    /// Nobody answers.
    init(silent reason: String) {
        substatus = [
            Entry(
                name: "data plane", status: .error, code: ExitCode.notUp.rawValue,
                formattedMessage: .init(message: reason))
        ]
        summary = reason
    }

    /// Whoever has other ways to the backends may use it none the less.
    private static let dsr = Entry(
        name: "dsr", status: .warning,
        formattedMessage: .init(
            message:
                "virtual networks of Azure drop IP-in-IP packets, in which dsr sends to the backends: use snat there"))

    private static func entry(_ service: ServiceReport) -> Entry {
        let down = service.backends.filter { $0.health == "down" }
        let kind: StatusFile.Kind =
            service.usableBackends == 0 ? .error : service.panic || !down.isEmpty ? .warning : .success
        var words = "\(service.usableBackends) of \(service.backends.count) backends take new connections"
        if service.panic { words += "; too few are healthy, so all are used" }
        for backend in down.prefix(3) { words += "; \(backend.backend) is down: \(backend.healthReason ?? "")" }
        if down.count > 3 { words += "; \(down.count - 3) more are down" }
        return Entry(
            name: "service \(service.id) \(service.frontend)", status: kind,
            formattedMessage: .init(message: StatusFile.cut(words, to: StatusFile.messageLimit)))
    }
}
