import API
import Agent
import Foundation

/// A manual page in mdoc(7), made from the parser's definitions.
struct ManualPage {
    var name: String
    var text: String

    var fileName: String { "\(name).8" }

    /// That of `l4lb`, then one for each subcommand, with its own subcommands in it.
    static func all(date: Date) throws -> [ManualPage] {
        let root = try CommandDefinition.root(L4LB.self)
        let names = root.shownSubcommands.map { "\(root.commandName)-\($0.commandName)" }
        return [page(root, words: root.commandName, seeAlso: names, date: date)]
            + root.shownSubcommands.map {
                page($0, words: "\(root.commandName) \($0.commandName)", seeAlso: [root.commandName], date: date)
            }
    }

    private static func page(
        _ command: CommandDefinition, words: String, seeAlso: [String], date: Date
    ) -> ManualPage {
        let name = words.replacing(" ", with: "-")
        let isRoot = name == words
        let verbs = isRoot ? [] : command.shownSubcommands
        var lines = [
            ".Dd \(day(date))", ".Dt \(name.uppercased()) 8", ".Os \"l4lb \(L4LB.versionNumber)\"", ".Sh NAME",
            ".Nm \(name)", ".Nd \(line(command.abstract ?? "").trimmingSuffix("."))", ".Sh SYNOPSIS",
        ]
        for verb in verbs { lines += synopsis(verb, words: "\(words) \(verb.commandName)") }
        if isRoot { lines += [".Nm l4lb", ".Ar command", ".Op Ar option ..."] }
        if verbs.isEmpty { lines += synopsis(command, words: words) }
        lines += [".Sh DESCRIPTION"] + prose(command.discussion ?? command.abstract ?? "")
        if isRoot {
            lines += [".Sh COMMANDS", ".Bl -tag -width Ds"]
            for command in command.shownSubcommands {
                lines += [".It Xr l4lb-\(command.commandName) 8"] + prose(command.abstract ?? "")
            }
            lines.append(".El")
        }
        for verb in verbs {
            lines += [".Ss \(words) \(verb.commandName)"]
            lines += prose([verb.abstract, verb.discussion].compactMap { $0 }.joined(separator: " "))
            lines += options(verb.shownArguments)
        }
        if verbs.isEmpty { lines += options(command.shownArguments) }
        lines += closing + [".Sh SEE ALSO"]
        lines += seeAlso.sorted().enumerated().map { place, other in
            ".Xr \(other) 8\(place + 1 < seeAlso.count ? " ," : "")"
        }
        return ManualPage(name: name, text: lines.joined(separator: "\n") + "\n")
    }

    private static func synopsis(_ command: CommandDefinition, words: String) -> [String] {
        [".Nm \"\(words)\""]
            + command.shownArguments.map { argument in
                let macros = forms(argument).last ?? ""
                let repeated = argument.isRepeating ? " ..." : ""
                return argument.isOptional ? ".Op \(macros)\(repeated)" : ".\(macros)\(repeated)"
            }
    }

    private static func options(_ arguments: [CommandDefinition.Argument]) -> [String] {
        guard !arguments.isEmpty else { return [] }
        var lines = [".Bl -tag -width Ds"]
        for argument in arguments {
            lines.append(".It \(forms(argument).joined(separator: " , "))")
            lines += prose([argument.abstract, argument.discussion].compactMap { $0 }.joined(separator: " "))
            if let value = argument.defaultValue { lines += ["The default is", ".Ql \(line(value)) ."] }
        }
        return lines + [".El"]
    }

    /// As macros, the long form last.
    private static func forms(_ argument: CommandDefinition.Argument) -> [String] {
        let value = line(argument.valueName ?? "value")
        if argument.kind == .positional { return ["Ar \(value)"] }
        let names = (argument.names ?? []).sorted { $0.kind == .short && $1.kind != .short }
        return names.map { name in
            let flag = "Fl \(name.kind == .long ? "-" : "")\(name.name)"
            guard argument.kind == .option else { return flag }
            return name.kind == .long ? "\(flag) Ns = Ns Ar \(value)" : "\(flag) Ar \(value)"
        }
    }

    private static var closing: [String] {
        [
            ".Sh FILES", ".Bl -tag -width Ds", ".It Pa \(SocketFile.defaultPath)",
            "Where an agent without a prompt answers commands.", ".It Pa \(AgentOptions.defaultStateFile)",
            "What was set by command, for the next agent.", ".It Pa \(AgentOptions.defaultBPFRoot)/l4lb",
            "The packet path that outlives the agent.", ".El", ".Sh EXIT STATUS",
            "0: done; 1: it failed; 2: wrong usage;",
            "3: a plan with", ".Fl -exit-code", "has changes.",
        ]
    }

    /// A sentence a line, as mdoc wants it.
    private static func prose(_ text: String) -> [String] {
        text.replacing(/([a-z0-9)'])([.?]) (?=[A-Z'])/) { "\($0.output.1)\($0.output.2)\n" }
            .split(separator: "\n").map { line(String($0)) }
    }

    /// Text that troff takes as it is: no escapes, no control lines, and hyphens of options that can be copied.
    private static func line(_ text: String) -> String {
        let escaped = text.trimmingCharacters(in: .whitespaces)
            .replacing("\\", with: "\\e").replacing("…", with: "...").replacing("--", with: "\\-\\-")
        return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&\(escaped)" : escaped
    }

    private static func day(_ date: Date) -> String {
        let months = [
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ]
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let parts = calendar.dateComponents([.year, .month, .day], from: date)
        return "\(months[(parts.month ?? 1) - 1]) \(parts.day ?? 1), \(parts.year ?? 1970)"
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
