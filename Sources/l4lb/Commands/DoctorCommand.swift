import API
import Addresses
import Agent
import ArgumentParser
import Balancer
import Foundation

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check what makes setups fail.",
        discussion: """
            A line for each finding, with what to do: ok, warning, error, or unknown where it cannot be told from here. \
            Where an agent answers, its devices, mode, services and backends are looked at; without one, those of the \
            flags and the file. It changes nothing. The exit code is 1 where there is an error.
            """)

    @Option(help: "The network device, or several with commas. (default: the agent's, or the file's)")
    var device: String?
    @Option(help: "Look at this file's services and flags where no agent answers.")
    var config: String?
    @Option(help: "snat or dsr, where neither an agent nor a file says. (default: snat)")
    var bpfLbMode: String?
    @Option(help: "The agent's socket.")
    var socket: String = SocketFile.defaultPath
    @Option(help: "Where the bpf filesystem is. (default: the agent's, or \(AgentOptions.defaultBPFRoot))")
    var bpfRoot: String?
    @Option(help: "The clang that compiles the packet program. (default: $L4LB_CLANG, PATH, beside swift)")
    var clang: String?
    @Option(name: [.customShort("o"), .customLong("output")], help: "table or json.")
    var format: OutputFormat = .table

    /// The exit code.
    func examine(_ output: Output) async throws -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        var setup = try await runningSetup() ?? plannedSetup()
        setup.clang = clang
        if let bpfRoot { setup.bpfRoot = bpfRoot }
        var doctor = try Doctor(setup, environment: ProcessInfo.processInfo.environment)
        let report = DoctorReport(agent: setup.attached != nil, try doctor.diagnoses())
        switch format {
        case .table: for line in report.lines { output.line(line) }
        case .json: output.json(report)
        }
        return report.errors > 0 ? ExitStatus.failed : 0
    }

    /// What an agent says of itself; nil where none answers.
    private func runningSetup() async throws -> Setup? {
        try await withAgent(at: socket) { client in
            do throws(APIError) {
                try client.check()
            } catch {
                // One that was asked for has to be there.
                guard socket == SocketFile.defaultPath, error.code == .unavailable else { throw error }
                return nil
            }
            let (status, services, running) = try await (client.status(), client.services(), client.config())
            let settings = Dictionary(uniqueKeysWithValues: (running.agent?.texts ?? []).map { ($0.key, $0.text) })
            return Setup(
                devices: try devices() ?? status.devices.map(\.name), mode: Mode(rawValue: status.mode) ?? .snat,
                bpfRoot: settings[.bpfRoot] ?? AgentOptions.defaultBPFRoot,
                snatPorts: settings[.snatPortRange].flatMap { SNATPorts.ranges($0).first },
                services: services.services.compactMap(Setup.Service.init),
                attached: Dictionary(
                    status.devices.map {
                        ($0.name, Setup.Attached(isNative: $0.xdpMode == "native", programID: $0.programId))
                    }, uniquingKeysWith: { first, _ in first }))
        }
    }

    /// What the flags and the file say.
    private func plannedSetup() throws -> Setup {
        let words = bpfLbMode.map { ["--bpf-lb-mode=\($0)"] } ?? []
        let flags = words + (device.map { ["--device=\($0)"] } ?? [])
        let file = try config.map { try ConfigFile($0) }
        let command = try file.map { try StartConfig.merged(flags, $0) } ?? AgentCommand.parse(flags)
        guard command.device != nil else {
            throw UsageError(
                description:
                    "no agent answers at \(socket), and no device is named: give --device=eth0, or --socket=PATH")
        }
        let options = try command.options()
        let services = file?.declared.services.map { request in
            Setup.Service(
                frontend: request.frontend, mode: request.mode ?? options.mode,
                backends: request.backends.map(\.endpoint.address))
        }
        return Setup(
            devices: options.devices, mode: options.mode, bpfRoot: options.bpfRoot, snatPorts: options.snatPorts,
            services: services ?? [])
    }

    private func devices() throws -> [String]? {
        guard let device else { return nil }
        return try AgentCommand.parse(["--device=\(device)"]).options().devices
    }
}

extension Setup.Service {
    fileprivate init?(_ report: ServiceReport) {
        guard let frontend = Frontend(report.frontend), let mode = Mode(rawValue: report.mode) else { return nil }
        self.init(
            frontend: frontend, mode: mode,
            backends: report.backends.compactMap { Endpoint($0.backend)?.address })
    }
}

/// What `-o json` prints.
struct DoctorReport: Encodable {
    struct Entry: Encodable {
        var level: String
        var check: String
        var text: String
        /// Null where nothing has to be done.
        @ExplicitNull var mend: String?
    }

    /// Whether one answered.
    var agent: Bool
    var findings: [Entry]
    var errors, warnings, unknown: Int

    init(agent: Bool, _ diagnoses: [Diagnosis]) {
        self.agent = agent
        findings = diagnoses.map {
            Entry(level: $0.level.rawValue, check: $0.check.rawValue, text: $0.text, mend: $0.mend)
        }
        let count = { (level: Diagnosis.Level) in diagnoses.count { $0.level == level } }
        errors = count(.error)
        warnings = count(.warning)
        unknown = count(.unknown)
    }

    /// A line for each, and what they come to.
    var lines: [String] {
        let width = "warning".count
        let lines = findings.map { finding in
            let text = finding.mend.map { "\(finding.text): \($0)" } ?? finding.text
            let padding = String(repeating: " ", count: width - finding.level.count)
            return Balancer.printable("\(finding.level)\(padding)  \(text)", limit: 600)
        }
        let counts = [(errors, "error"), (warnings, "warning")].map { $0 == 1 ? "1 \($1)" : "\($0) \($1)s" }
        return lines + ["\(counts.joined(separator: ", ")), \(unknown) unknown"]
    }
}
