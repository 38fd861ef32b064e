import API
import Agent
import Foundation
import Logging

/// The services of the agent's own file: applied at its start, and again at each SIGHUP.
struct FileServices: Sendable {
    let path: String
    let agent: LocalAgent
    let log: Logger
    /// Where the last good file is kept; nil where nothing outlives the agent.
    let copy: String?

    /// Returns when the packet path has it.
    func apply(_ file: ConfigFile) async throws {
        let report: ApplyReport
        do {
            report = try await agent.apply(file.config, confirmSeconds: nil)
        } catch let error as APIError {
            throw file.fault(error)
        }
        if let copy {
            do {
                try file.bytes.write(to: URL(fileURLWithPath: copy), options: .atomic)
            } catch {
                log.warning("\(copy): the last good file cannot be kept there: \(error.localizedDescription)")
            }
        }
        log.notice("\(path): \(report.changed ? report.counts : "no change")")
        for warning in report.warnings { log.warning("\(path): \(warning)") }
    }

    /// Reads the file again; a bad one changes nothing.
    func reload(_ manager: ServiceManager) async {
        manager.reloading()
        do {
            try await apply(try ConfigFile(path))
        } catch {
            let text = Output.text(of: error, parser: L4LB.self)
            log.error("\(text?.line ?? "\(path): \(error)"): nothing has changed")
        }
        manager.tell("READY=1")
    }
}
