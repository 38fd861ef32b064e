import ArgumentParser
import Foundation

/// A command as the parser describes it (`--experimental-dump-help`).
struct CommandDefinition: Decodable {
    struct Argument: Decodable {
        struct Name: Decodable {
            enum Kind: String, Decodable {
                case long, short, longWithSingleDash
            }
            var kind: Kind
            var name: String
        }
        enum Kind: String, Decodable {
            case positional, option, flag
        }
        var kind: Kind
        var shouldDisplay: Bool
        var isOptional: Bool
        var isRepeating: Bool
        var names: [Name]?
        var valueName: String?
        var defaultValue: String?
        var abstract: String?
        var discussion: String?
    }

    var commandName: String
    var shouldDisplay: Bool
    var abstract: String?
    var discussion: String?
    var subcommands: [CommandDefinition]?
    var arguments: [Argument]?

    /// Those that are shown; `help` is no subject of its own.
    var shownSubcommands: [CommandDefinition] {
        (subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
    }

    var shownArguments: [Argument] { (arguments ?? []).filter(\.shouldDisplay) }

    static func root(_ command: any ParsableCommand.Type) throws -> CommandDefinition {
        struct Dump: Decodable { var command: CommandDefinition }
        return try JSONDecoder().decode(Dump.self, from: Data(command._dumpHelp().utf8)).command
    }
}
