import API
import Foundation

/// How the VM gets from what it has to what the settings want.
struct Convergence: Equatable, Sendable {
    struct File: Equatable, Sendable {
        var path: String
        /// Nil: it is not there.
        var bytes: Data?
        var mode: Int32 = 0o644
    }

    enum Action: Equatable, Sendable {
        case start
        case restart
        /// The agent that runs is asked to; it does all of it or nothing.
        case apply
    }

    /// Those that differ.
    var files: [File]
    var reloadsUnits: Bool
    var action: Action

    /// `found`: what is there of a path, nil where nothing. `isActive`: the agent runs.
    init(
        _ deployment: Deployment, unit: String, layout: Layout, isActive: Bool, found: (String) -> Data?
    ) {
        let tls = deployment.tls
        let wanted = [
            File(path: layout.config, bytes: deployment.config),
            File(path: layout.unit, bytes: Data(unit.utf8)),
            File(path: "\(layout.certificates)/cert.pem", bytes: tls.map { Data($0.certificate.utf8) }, mode: 0o600),
            File(path: "\(layout.certificates)/key.pem", bytes: tls.map { Data($0.key.utf8) }, mode: 0o600),
            File(path: "\(layout.certificates)/ca.pem", bytes: tls.map { Data($0.clientCA.utf8) }, mode: 0o600),
        ]
        files = wanted.filter { found($0.path) != $0.bytes }
        reloadsUnits = files.contains { $0.path == layout.unit }
        let running = found(layout.config).flatMap { try? Config.read($0) }?.agent
        let needsStart = files.contains { $0.path != layout.config } || running != deployment.options
        action = !isActive ? .start : needsStart ? .restart : .apply
    }

    /// The flags that the agent gets beside its file.
    static func flags(_ deployment: Deployment) -> [String] {
        let folder = Layout().certificates
        guard deployment.tls != nil else { return deployment.flags }
        return deployment.flags + [
            "--tls-cert=\(folder)/cert.pem", "--tls-key=\(folder)/key.pem", "--tls-client-ca=\(folder)/ca.pem",
        ]
    }
}
