import ArgumentParser
import Testing

@testable import l4lb

@Suite struct RemoteCommandTests {
    @Test(
        "a command of the prompt is one of the shell, and --socket may stand anywhere in it",
        arguments: [
            ("service list", "service list", "/run/l4lb/l4lb.sock"),
            ("service list --socket=/s -o json", "service list -o json", "/s"),
            ("--socket /s mode update dsr", "mode update dsr", "/s"),
            ("status --socket=/a --socket=/b", "status", "/b"), ("neighbor list --socket", "", ""),
            ("mode update -- --socket=/s", "mode update -- --socket=/s", "/run/l4lb/l4lb.sock"),
            ("service", "service", "/run/l4lb/l4lb.sock"),
        ])
    func socket(line: String, words: String, socket: String) throws {
        let typed = line.split(separator: " ").map(String.init)
        guard !words.isEmpty else {
            let error = try #require(throws: UsageError.self) { _ = try RemoteCommand(typed) }
            #expect(error.description == "Missing value for '--socket <socket>'")
            return
        }
        let command = try #require(try RemoteCommand(typed))
        #expect(command.words == words.split(separator: " ").map(String.init))
        #expect(command.socket == socket)
    }

    @Test(
        "what is not a command of the prompt is the program's own",
        arguments: [
            "", "agent --socket=/s", "--device=eth0 --socket=/s", "shell --socket=/s", "bench", "version", "help",
        ])
    func others(line: String) throws {
        #expect(try RemoteCommand(line.split(separator: " ").map(String.init)) == nil)
    }

    @Test(
        "a command is understood, and refused, as at the prompt",
        arguments: [
            "service list", "service update --frontend=f --backends=b --affinity", "service", "service add",
            "service get", "service list --bogus", "mode update", "monitor drops --rate=5", "status -o xml",
        ])
    func grammar(line: String) throws {
        let words = line.split(separator: " ").map(String.init)
        var texts: [String] = []
        for root: any ParsableCommand.Type in [PromptGrammar.self, L4LB.self] {
            do {
                let command = try #require(try PromptGrammar.parse(words, of: root))
                texts.append("\(type(of: command))")
            } catch {
                texts.append("\(try #require(Output.text(of: error, parser: root)))")
            }
        }
        #expect(texts[0] == texts[1])
    }

    @Test("the program's help names the commands of the shell")
    func help() {
        let help = L4LB.helpMessage()
        for noun in ["service", "mode", "neighbor", "status", "shell", "--socket=PATH"] { #expect(help.contains(noun)) }
    }
}
