import API
import Agent
import Balancer
import Testing

@testable import l4lb

@Suite struct ErrorTests {
    private struct Foreign: Error, CustomStringConvertible {
        var description: String
    }

    private func text(_ error: any Error) -> Output.ErrorText? {
        Output.text(of: error, parser: PromptGrammar.self)
    }

    @Test("wrong usage ends with 2, what could not be done with 1")
    func codes() {
        #expect(text(BalancerError.usage("u")) == .init(line: "u", code: 2))
        #expect(text(BalancerError.refused("r")) == .init(line: "r", code: 1))
        #expect(text(BalancerError.notFound("n")) == .init(line: "n", code: 1))
        #expect(text(APIError(.invalid, "u", mend: "m")) == .init(line: "u: m", code: 2))
        #expect(text(APIError(.conflict, "r", details: "said")) == .init(line: "r", details: "said", code: 1))
        #expect(text(UsageError(description: "u")) == .init(line: "u", code: 2))
        #expect(text(AgentError("a", details: "said\nclang")) == .init(line: "a", details: "said\nclang", code: 1))
        #expect(text(Foreign(description: "f")) == .init(line: "f", code: 1))
    }

    @Test(
        "an error of the parser is one line and wrong usage",
        arguments: [
            "service get", "service list --bogus", "service list --bogus=\u{1b}[31m", "--bogus", "mode update a b",
            "service list \(String(repeating: "x", count: 5000))",
        ])
    func parser(line: String) throws {
        let words = try Words(line).words
        let error = try #require(throws: (any Error).self) { _ = try PromptGrammar.parse(words) }
        let text = try #require(Output.text(of: error, parser: PromptGrammar.self))
        #expect(text.code == 2)
        #expect(text.details.isEmpty)
        #expect(!text.line.isEmpty)
        #expect(text.line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
        #expect(text.line.unicodeScalars.count <= 601)
    }

    @Test("a request for help is no error")
    func help() throws {
        let error = try #require(throws: (any Error).self) {
            var command = try #require(try PromptGrammar.parse(["help"]))
            try command.run()
        }
        #expect(text(error) == nil)
    }

    @Test("the line is one line without what a terminal acts on, and what follows stands below")
    func lines() {
        #expect(
            text(Foreign(description: "cannot load\n0: r1 = r2\n1: exit"))
                == .init(line: "cannot load", details: "0: r1 = r2\n1: exit", code: 1))
        #expect(text(BalancerError.notFound("n")) == .init(line: "n", code: 1))
        #expect(text(APIError(.invalid, "u", mend: "m")) == .init(line: "u: m", code: 2))
        #expect(text(APIError(.conflict, "r", details: "said")) == .init(line: "r", details: "said", code: 1))
        #expect(text(UsageError(description: "a\u{1b}[31mb\r\n\u{9b}c\u{202e}\u{2028}"))?.line == "a?[31mb???c??")
        #expect(text(Foreign(description: "")) == .init(line: "unknown error", code: 1))
        let long = String(repeating: "x", count: 5000)
        #expect(text(AgentError(long))?.line == String(repeating: "x", count: 600) + "…")
    }
}
