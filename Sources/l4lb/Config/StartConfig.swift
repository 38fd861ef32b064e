import API
import Agent
import Balancer
import Foundation

/// The flags and the file that an agent is started with.
struct StartConfig {
    /// With what the file says.
    var command: AgentCommand
    /// Nil where none is named.
    var file: ConfigFile?
    /// Why another file than the one that is named, the last good one, has its place: the services stay what they are.
    var fault: (any Error)?

    /// `words`: the command line. A file that is bad is an error, but where a packet path is at work, and the last
    /// good file says how to follow the network for it.
    init(_ command: AgentCommand, words: [String]) throws {
        guard let path = command.config else {
            self.command = command
            return
        }
        do {
            let file = try ConfigFile(path)
            self.file = file
            self.command = try Self.merged(words, file)
        } catch {
            guard command.noRepl, !command.check, let last = try? ConfigFile(Self.copy(of: command)),
                let merged = try? Self.merged(words, last), PacketPath.isAtWork(bpfRoot: merged.bpfRoot)
            else { throw error }
            self.command = merged
            file = last
            fault = error
        }
    }

    /// What an agent would refuse at once, for `--check`.
    func check(_ output: Output) throws {
        _ = try command.options()
        // Not whether somebody answers there, as a running agent does.
        _ = try command.socket.map { try SocketFile($0) }
        _ = try command.listenPlan()
        let subject = file.map { "\($0.path): \($0.declared.services.count) services" } ?? "the flags"
        output.line("\(subject): nothing is wrong")
    }

    /// Where the last good file is kept.
    static func copy(of command: AgentCommand) -> String { command.state + ".config" }

    /// What the flags and the file say; where both say something it has to be the same.
    static func merged(_ words: [String], _ file: ConfigFile) throws -> AgentCommand {
        let own = words.first == "agent" ? Array(words.dropFirst()) : words
        var flags =
            file.config.agent?.texts.map { (flag: $0.key.flag, field: "agent.\($0.key.rawValue)", text: $0.text) } ?? []
        if let mode = file.config.mode { flags.append(("--bpf-lb-mode", "mode", mode)) }
        for (flag, field, text) in flags {
            // The parser would take it for a flag without a value.
            guard !text.isEmpty else {
                throw file.fault(
                    APIError(.invalid, "\(field): is empty", mend: "give a value, or leave it out", field: field))
            }
            guard let given = value(of: flag, in: own), given != text else { continue }
            throw file.fault(
                APIError(
                    .invalid, "\(field): \(quoted(text)) contradicts \(flag)=\(quoted(given)) on the command line",
                    mend: "remove one of them", field: field))
        }
        let command = try AgentCommand.parse(flags.map { "\($0.flag)=\($0.text)" } + own)
        do {
            _ = try command.options()
        } catch {
            // What the file says is named as the file names it.
            let text = "\(error)"
            guard let flag = flags.first(where: { text.hasPrefix("\($0.flag):") }) else { throw error }
            throw file.fault(
                APIError(.invalid, flag.field + text.dropFirst(flag.flag.count), field: flag.field))
        }
        return command
    }

    private static func value(of flag: String, in words: [String]) -> String? {
        for (place, word) in words.enumerated().reversed() {
            if word.hasPrefix("\(flag)=") { return String(word.dropFirst(flag.count + 1)) }
            if word == flag, place + 1 < words.count { return words[place + 1] }
        }
        return nil
    }
}

extension AgentCommand {
    /// What the agent runs with, by the names that a file has for it.
    var settings: AgentSettings {
        AgentSettings(texts: [
            .devices: device, .bpfLbAcceleration: bpfLbAcceleration, .bpfRoot: bpfRoot, .bpfLbMapMax: bpfLbMapMax,
            .bpfLbMaglevTableSize: bpfLbMaglevTableSize, .bpfLbMaglevHashSeed: bpfLbMaglevHashSeed,
            .flowTableSize: flowTableSize, .bpfCtTimeoutRegularTcp: bpfCtTimeoutRegularTcp,
            .bpfCtTimeoutRegularTcpSyn: bpfCtTimeoutRegularTcpSyn,
            .bpfCtTimeoutRegularTcpFin: bpfCtTimeoutRegularTcpFin, .bpfCtTimeoutRegularAny: bpfCtTimeoutRegularAny,
            .snatPortRange: snatPortRange, .snatAddresses: snatAddresses, .bpfLbRssIpv4SrcCidr: bpfLbRssIpv4SrcCidr,
            .bpfLbRssIpv6SrcCidr: bpfLbRssIpv6SrcCidr,
        ])
    }

    /// The settings that a file has to have to say the same: those that are not the default.
    var ownSettings: AgentSettings {
        let defaults = (try? AgentCommand.parse([]))?.settings.texts ?? []
        let own = settings.texts.filter { setting in !defaults.contains { $0 == setting } }
        return AgentSettings(texts: Dictionary(uniqueKeysWithValues: own.map { ($0.key, $0.text) }))
    }
}
