import ArgumentParser
import Foundation
import Testing

@testable import l4lb

/// Manual pages and the shells' completion come from the parser's definitions.
@Suite struct ManualTests {
    private let pages = Result { try ManualPage.all(date: Date(timeIntervalSince1970: 86_400 * 365)) }

    private func text(_ name: String) throws -> String {
        try #require(try pages.get().first { $0.name == name }).text
    }

    @Test("each command has its page, and what is for packages alone has none")
    func commands() throws {
        let names = try CommandDefinition.root(L4LB.self).shownSubcommands.map { "l4lb-\($0.commandName)" }
        #expect(Set(try pages.get().map(\.name)) == Set(names + ["l4lb"]))
        #expect(names.contains("l4lb-agent") && !names.contains("l4lb-objects") && !names.contains("l4lb-manual"))
        for name in names { #expect(try text("l4lb").contains(".It Xr \(name) 8")) }
    }

    @Test(
        "a page tells each option and each verb",
        arguments: [
            ("l4lb-agent", #".It Fl -device Ns = Ns Ar device"#), ("l4lb-agent", #".It Fl -no-repl"#),
            ("l4lb-agent", ".Ql 16381 ."), ("l4lb-service", ".Ss l4lb service dumpstate"),
            ("l4lb-service", #".It Fl -backend-weights Ns = Ns Ar backend-weights"#),
            ("l4lb-backend", #".Nm "l4lb backend drain""#), ("l4lb-mode", ".It Ar mode"),
            ("l4lb-plan", #".It Fl f Ar file , Fl -file Ns = Ns Ar file"#), ("l4lb", ".Dd January 1, 1971"),
            ("l4lb-status", #".It Fl -socket Ns = Ns Ar socket"#),
        ])
    func contents(page: String, line: String) throws {
        #expect(try text(page).split(separator: "\n").contains(Substring(line)))
    }

    @Test("no line of prose is taken for a macro, and no line is empty")
    func escapes() throws {
        for page in try pages.get() {
            for line in page.text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
                #expect(line.wholeMatch(of: /\.(Dd|Dt|Os|Sh|Ss|Nm|Nd|Op|Ar|Fl|It|Bl|El|Xr|Ql)( .*)?|[^.'].*/) != nil)
            }
        }
    }

    @Test("a package's pages have the day that its build says")
    func reproducible() {
        let date = ManualCommand.date(environment: ["SOURCE_DATE_EPOCH": "86400"])
        #expect(date == Date(timeIntervalSince1970: 86_400))
    }

    @Test("the shells complete nouns, verbs, options, --socket and fixed values", arguments: CompletionShell.allCases)
    func completion(shell: CompletionShell) {
        let script = L4LB.completionScript(for: shell)
        for word in ["dumpstate", "bpf-lb-acceleration", "best-effort", "maglev", "socket", "neighbor"] {
            #expect(script.contains(word), "\(shell.rawValue): \(word)")
        }
    }

    @Test("--socket is the shell's: the prompt refuses it")
    func socketAtPrompt() throws {
        let command = try #require(try RemoteCommand(["status", "--socket=/run/x"]))
        #expect(command.words == ["status"] && command.socket == "/run/x")
        #expect(throws: (any Error).self) { try PromptGrammar.parse(["status", "--socket=/run/x"]) }
    }
}
