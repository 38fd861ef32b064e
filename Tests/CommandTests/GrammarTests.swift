import ArgumentParser
import Testing

@testable import l4lb

@Suite struct GrammarTests {
    private func parse(_ line: String) throws -> (any ParsableCommand)? {
        try PromptGrammar.parse(Words(line).words)
    }

    @Test(
        "every command of the prompt is read",
        arguments: [
            ("service update --frontend=40.1.1.1:80 --backends=20.1.1.10:80", "ServiceUpdate"),
            ("service list", "ServiceList"), ("service list -o json", "ServiceList"),
            ("service get --id 1", "ServiceGet"), ("service get --id=1 -o table", "ServiceGet"),
            ("service delete --id 1", "ServiceDelete"), ("service delete --all", "ServiceDelete"),
            ("service dumpstate --id 1", "ServiceDumpState"),
            ("service dumpstate --id=1 --output=json", "ServiceDumpState"),
            ("mode get", "ModeGet"), ("mode update dsr", "ModeUpdate"), ("mode update -o json snat", "ModeUpdate"),
            ("neighbor list", "NeighborList"), ("status", "StatusCommand"), ("status -o json", "StatusCommand"),
            ("monitor drops", "MonitorDrops"),
            ("monitor drops --count=3 --seconds 5 --rate=10 -o json", "MonitorDrops"),
            ("backend list", "BackendList"), ("backend list 20.1.1.10:80 -o json", "BackendList"),
            ("backend drain 20.1.1.10:80 --service 1 --wait --timeout=90s", "BackendDrain"),
            ("backend maintenance [2001:db8::1]:80 --service=1", "BackendMaintenance"),
            ("explain 10.0.0.1:1024 40.1.1.1:80/udp -o json", "ExplainCommand"),
            ("backend undrain 20.1.1.10:80", "BackendUndrain"), ("version", "VersionCommand"), ("exit", "ExitCommand"),
            ("quit", "ExitCommand"),
        ])
    func reads(line: String, command: String) throws {
        let parsed = try #require(try parse(line))
        #expect("\(type(of: parsed))" == command)
        #expect(parsed is any PromptAction || parsed is ExitCommand)
    }

    @Test("an empty line is nothing", arguments: ["", "   ", "# a comment"])
    func empty(line: String) throws {
        #expect(try parse(line) == nil)
    }

    @Test("options are read with = and with a blank")
    func options() throws {
        let update = try #require(
            try parse(
                """
                service update --frontend 40.1.1.1:80/udp --backends=20.1.1.10:80,20.1.1.20:80 --id 7 \
                --backend-weights=1,2 --states active,draining --algorithm=random --affinity 60 \
                --source-ranges=10.0.0.0/8 -o json
                """) as? ServiceUpdate)
        #expect(update.frontend == "40.1.1.1:80/udp")
        #expect(update.backends == "20.1.1.10:80,20.1.1.20:80")
        #expect(update.id == "7")
        #expect(update.backendWeights == "1,2")
        #expect(update.states == "active,draining")
        #expect(update.algorithm == "random")
        #expect(update.affinity == "60")
        #expect(update.sourceRanges == "10.0.0.0/8")
        #expect(update.format.output == .json)
    }

    @Test(
        "affinity may stand without its seconds, wherever it stands",
        arguments: [
            ("service update --affinity --frontend=f --backends=b", "10800"),
            ("service update --frontend=f --backends=b --affinity", "10800"),
            ("service update --affinity -o json --frontend=f --backends=b", "10800"),
            ("service update --affinity= --frontend=f --backends=b", "10800"),
            ("service update --affinity=5 --frontend=f --backends=b", "5"),
            ("service update --affinity 5 --frontend=f --backends=b", "5"),
            ("service update --frontend=f --backends=b", nil),
        ] as [(String, String?)])
    func affinity(line: String, text: String?) throws {
        let update = try #require(try parse(line) as? ServiceUpdate)
        #expect(update.affinity == text)
        #expect(update.frontend == "f")
        #expect(update.backends == "b")
    }

    @Test(
        "what is no command is named, with what there is",
        arguments: [
            ("servic list", "servic is no command: see 'help'"), ("'a b'", "'a b' is no command: see 'help'"),
            ("''", "'' is no command: see 'help'"),
            ("service", "'service' wants one of: update, list, get, dumpstate, delete"),
            ("mode", "'mode' wants one of: get, update"), ("neighbor", "'neighbor' wants one of: list"),
            ("service add", "'service' has no add: it has update, list, get, dumpstate, delete"),
            ("mode dsr", "'mode' has no dsr: it has get, update"),
            ("service ''", "'service' has no '': it has update, list, get, dumpstate, delete"),
            ("help servic", "servic is no command: see 'help'"),
            ("help service add", "'service' has no add: it has update, list, get, dumpstate, delete"),
        ])
    func unknown(line: String, message: String) throws {
        let error = try #require(throws: UsageError.self) { _ = try parse(line) }
        #expect(error.description == message)
    }

    @Test(
        "a wrong option or value is a wrong usage that names it",
        arguments: [
            ("service list --bogus", "Unknown option '--bogus'"),
            ("service get", "Missing expected argument '--id <id>'"),
            ("service get --id", "Missing value for '--id <id>'"),
            ("service get --id=", "Missing value for '--id <id>'"), ("service list 7", "Unexpected argument '7'"),
            ("service update --backends=b", "Missing expected argument '--frontend <frontend>'"),
            ("status -o xml", "The value 'xml' is invalid for '-o <output>'"), ("--bogus", "Unknown option '--bogus'"),
            ("mode update", "Missing expected argument '<mode>'"), ("---completion service", ""),
            ("help -- service", "2 unexpected arguments"), ("exit now", "Unexpected argument 'now'"),
        ])
    func wrong(line: String, message: String) throws {
        let error = try #require(throws: (any Error).self) { _ = try parse(line) }
        #expect(PromptGrammar.exitCode(for: error) == .validationFailure)
        #expect(PromptGrammar.message(for: error).hasPrefix(message), "\(PromptGrammar.message(for: error))")
    }

    @Test(
        "help is given in every form, and is no failure",
        arguments: [
            ("help", "The commands of the prompt"), ("--help", "The commands of the prompt"),
            ("-h", "The commands of the prompt"), ("help help", "The commands of the prompt"),
            ("help service", "Create, show and delete services"),
            ("service --help", "Create, show and delete services"),
            ("help service update", "Create a service, or replace it as a whole"),
            ("service update --help", "Create a service, or replace it as a whole"),
            ("help mode update", "Change the mode of new connections"), ("help status", "Show the mode, devices"),
            ("help exit", "End the agent"), ("help quit", "End the agent"), ("help version", "Show the version"),
        ])
    func help(line: String, text: String) throws {
        let error = try #require(throws: (any Error).self) {
            // The parser's own help command throws its text when it is run.
            var command = try #require(try parse(line))
            try command.run()
        }
        #expect(PromptGrammar.exitCode(for: error) == .success)
        #expect(PromptGrammar.fullMessage(for: error).contains(text), "\(PromptGrammar.fullMessage(for: error))")
    }

    @Test("nouns and verbs are those of the design")
    func nouns() {
        #expect(
            PromptGrammar.nouns == [
                "service", "backend", "mode", "neighbor", "status", "top", "explain", "monitor", "plan", "apply",
                "confirm", "export", "version", "exit", "help", "quit",
            ])
        #expect(PromptGrammar.verbs(of: "service") == ["update", "list", "get", "dumpstate", "delete"])
        #expect(PromptGrammar.verbs(of: "status") == [])
        #expect(PromptGrammar.verbs(of: "quit") == [])
        #expect(PromptGrammar.verbs(of: "bogus") == nil)
    }

    @Test("ids and modes are checked by the command, whose words then name them")
    func texts() throws {
        #expect(try #require(try parse("service get --id x") as? ServiceGet).id == "x")
        #expect(try #require(try parse("mode update x") as? ModeUpdate).mode == "x")
        #expect(try #require(try parse("service delete --id ''") as? ServiceDelete).id == "")
    }
}
