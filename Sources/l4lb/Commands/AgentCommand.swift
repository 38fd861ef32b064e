import API
import Agent
import ArgumentParser
import Balancer
import Foundation
import Logging

struct AgentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "Balance on these devices and answer the prompt (the default).")

    @Option(help: "snat or dsr: how packets reach the backends.", completion: .list(Mode.allCases.map(\.rawValue)))
    var bpfLbMode: String = Mode.snat.rawValue
    @Option(help: "The network device, or several with commas.")
    var device: String?
    @Option(
        help: "native, generic or best-effort XDP.",
        completion: .list(AgentOptions.Acceleration.allCases.map(\.rawValue)))
    var bpfLbAcceleration: String = AgentOptions.Acceleration.native.rawValue
    @Option(help: "Where the bpf filesystem is.", completion: .directory)
    var bpfRoot: String = AgentOptions.defaultBPFRoot
    @Option(help: "The most services, and the most backends over all services: 1 to 65536.")
    var bpfLbMapMax: String = String(DesiredState.defaultMapMax)
    @Option(help: "Slots of a service's table: \(MaglevTable.sizes.map(String.init).joined(separator: ", ")).")
    var bpfLbMaglevTableSize: String = String(MaglevTable.defaultSize)
    @Option(help: "Seed of the backend choice, 12 bytes in base64: the same on all balancers.")
    var bpfLbMaglevHashSeed: String = MaglevTable.defaultSeed
    @Option(help: "Connections that the flow table has room for: 1024 to 16777216.")
    var flowTableSize: String = String(AgentOptions.defaultFlowTableSize)
    @Option(help: "Idle time of an established TCP connection, such as 8000s or 2h13m20s.")
    var bpfCtTimeoutRegularTcp: String = "8000s"
    @Option(help: "Idle time of a TCP connection that is not established yet.")
    var bpfCtTimeoutRegularTcpSyn: String = "60s"
    @Option(help: "Time for which a closed TCP connection is kept.")
    var bpfCtTimeoutRegularTcpFin: String = "10s"
    @Option(help: "Idle time of a UDP flow.")
    var bpfCtTimeoutRegularAny: String = "60s"
    @Option(
        help:
            "Ports that SNAT may use, FIRST-LAST. (default: 1024-65535 without the host's ephemeral and reserved ports)"
    )
    var snatPortRange: String?
    @Option(help: "Addresses of this host that SNAT sends from, IP[,IP…]. (default: the route's source)")
    var snatAddresses: String?
    @Option(help: "The outer source of DSR is drawn from this prefix, so that backends' receive queues share the load.")
    var bpfLbRssIpv4SrcCidr: String?
    @Option(help: "The same for backends that are reached by IPv6.")
    var bpfLbRssIpv6SrcCidr: String?
    @Option(
        help:
            "The clang that compiles the packet program. (default: $L4LB_CLANG, PATH, beside swift, else the package's programs)",
        completion: .file())
    var clang: String?
    @Option(help: "Where the log goes.", completion: .file())
    var logFile: String?
    @Flag(
        help:
            "As a service: no prompt, and the packet path outlives the agent; the next one takes it over with its connections."
    )
    var noRepl = false
    @Flag(help: "With --no-repl: the end of the agent is the end of the packet path too.")
    var detachOnExit = false
    @Option(help: "With --no-repl: where services that were set by command are kept.", completion: .file())
    var state: String = AgentOptions.defaultStateFile
    @Option(
        help: "A file of services and of these flags, in YAML; SIGHUP reads it again. See docs/config.md.",
        completion: .file())
    var config: String?
    @Flag(help: "Only tell whether the flags and the file of --config are right, as far as that shows without a start.")
    var check = false
    @Option(
        help: "Answer the API at this unix socket. (default: \(SocketFile.defaultPath) with --no-repl, else none)",
        completion: .file())
    var socket: String?
    @Option(
        help: "Answer the API at this TCP address and port too; with the three files that follow unless it is loopback."
    )
    var listen: String?
    @Option(help: "The certificate of --listen, with those that lead to its CA: a PEM file.")
    var tlsCert: String?
    @Option(help: "Its private key: a PEM file.")
    var tlsKey: String?
    @Option(help: "The CA whose certificates let clients in: a PEM file.")
    var tlsClientCa: String?

    /// The options as the agent takes them.
    func options() throws -> AgentOptions {
        guard let mode = Mode(rawValue: bpfLbMode) else {
            throw UsageError(description: "--bpf-lb-mode: \(quoted(bpfLbMode)) is not snat or dsr")
        }
        guard let device else {
            throw UsageError(description: "--device is missing: name the network device to balance on, --device=eth0")
        }
        let devices = device.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard devices.allSatisfy({ !$0.isEmpty }), Set(devices).count == devices.count else {
            throw UsageError(description: "--device: \(quoted(device)) is not a list of different device names")
        }
        guard devices.count <= AgentOptions.deviceLimit else {
            throw UsageError(
                description: "--device: \(devices.count) devices, \(AgentOptions.deviceLimit) are the most")
        }
        guard let acceleration = AgentOptions.Acceleration(rawValue: bpfLbAcceleration) else {
            throw UsageError(
                description: "--bpf-lb-acceleration: \(quoted(bpfLbAcceleration)) is not native, generic or best-effort"
            )
        }
        var options = AgentOptions(mode: mode, devices: devices)
        options.acceleration = acceleration
        options.bpfRoot = bpfRoot
        options.mapMax = try number("--bpf-lb-map-max", bpfLbMapMax, 1...DesiredState.defaultMapMax)
        options.maglevSize = try number("--bpf-lb-maglev-table-size", bpfLbMaglevTableSize, 1...Int(Int32.max))
        guard MaglevTable.sizes.contains(options.maglevSize) else {
            let sizes = MaglevTable.sizes.map(String.init).joined(separator: ", ")
            throw UsageError(description: "--bpf-lb-maglev-table-size: \(options.maglevSize) is not one of \(sizes)")
        }
        guard let seed = MaglevTable.seed(base64: bpfLbMaglevHashSeed) else {
            throw UsageError(
                description:
                    "--bpf-lb-maglev-hash-seed: \(quoted(bpfLbMaglevHashSeed)) is not 12 bytes in base64: head -c12 /dev/urandom | base64"
            )
        }
        options.maglevSeed = seed
        options.flowTableSize = try number("--flow-table-size", flowTableSize, 1024...16_777_216)
        options.timeouts.established = try duration("--bpf-ct-timeout-regular-tcp", bpfCtTimeoutRegularTcp)
        options.timeouts.syn = try duration("--bpf-ct-timeout-regular-tcp-syn", bpfCtTimeoutRegularTcpSyn)
        options.timeouts.closing = try duration("--bpf-ct-timeout-regular-tcp-fin", bpfCtTimeoutRegularTcpFin)
        options.timeouts.udp = try duration("--bpf-ct-timeout-regular-any", bpfCtTimeoutRegularAny)
        options.snatPorts = try snatPortRange.map { text in
            let ranges = SNATPorts.ranges(text)
            guard let range = ranges.first, text == "\(range.lowerBound)-\(range.upperBound)", range.lowerBound > 0
            else {
                throw UsageError(description: "--snat-port-range: \(quoted(text)) is not a range such as 20000-29999")
            }
            return range
        }
        options.sources = try SourceAddresses(
            snat: snatAddresses, rss4: bpfLbRssIpv4SrcCidr, rss6: bpfLbRssIpv6SrcCidr)
        options.clang = clang
        guard noRepl || !detachOnExit else {
            throw UsageError(
                description: "--detach-on-exit: without --no-repl the packet path ends with the agent anyway")
        }
        options.outlives = noRepl
        options.stateFile = state
        return options
    }

    func greeting(_ balancer: LoadBalancer) async throws -> String {
        let status = try await balancer.status()
        let devices = status.devices.map { "\($0.device.name) (\($0.isNative ? "native" : "generic") XDP)" }
        return """
            l4lb \(L4LB.versionNumber): \(status.mode.rawValue) on \(devices.joined(separator: ", "))
            flow table: \(status.flowTableSize) connections, \(Units.memory(status.flowTable.bytes)), and \(Units.memory(status.flowTable6Bytes)) more once a service has IPv6. 'help' shows the commands.
            """
    }
}

/// The number that an option's text means.
func number(_ option: String, _ text: String, _ range: ClosedRange<Int>) throws -> Int {
    guard let number = Int(text), range.contains(number) else {
        throw UsageError(
            description: "\(option): \(quoted(text)) is not a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
}

/// The seconds that an option's text means, up to 30 days.
func duration(_ option: String, _ text: String) throws -> UInt32 {
    guard let seconds = Duration.seconds(text), (1...86_400 * 30).contains(seconds) else {
        throw UsageError(
            description: "\(option): \(quoted(text)) is not a time such as 60s or 2h13m20s, up to 720h")
    }
    return UInt32(seconds)
}

extension Duration {
    /// Go's form, which Cilium's flags use: 8000s, 2h13m20s, 60 (seconds).
    static func seconds(_ text: String) -> Int? {
        if let plain = Int(text) { return plain }
        var total = 0
        var digits = ""
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
                continue
            }
            let units: [Character: Int] = ["h": 3600, "m": 60, "s": 1]
            guard let unit = units[character], digits.count <= 9, let count = Int(digits) else { return nil }
            total += count * unit
            digits = ""
        }
        return digits.isEmpty && !text.isEmpty ? total : nil
    }
}
