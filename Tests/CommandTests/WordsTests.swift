import Testing

@testable import l4lb

@Suite struct WordsTests {
    @Test(
        "a line is split as a shell splits it",
        arguments: [
            ("", []), ("   \t ", []), ("service list", ["service", "list"]),
            ("  service \t list\r\n", ["service", "list"]),
            ("a 'b c' d", ["a", "b c", "d"]), ("a \"b c\" d", ["a", "b c", "d"]), ("--id='1 2'", ["--id=1 2"]),
            ("'' \"\"", ["", ""]), ("a''b", ["ab"]), ("'a'\"b\"c", ["abc"]), (#"a\ b c"#, ["a b", "c"]),
            (#"\'"#, ["'"]),
            (#"'a\b'"#, [#"a\b"#]), (#""a\"b\\c""#, [#"a"b\c"#]), (#"\\"#, [#"\"#]), ("\\#x", ["#x"]),
            ("# all of it", []), ("list # 'the rest", ["list"]), ("a#b c", ["a#b", "c"]), ("'#' a", ["#", "a"]),
            ("''#a", ["#a"]), ("é ü", ["é", "ü"]),
        ] as [(String, [String])])
    func splits(line: String, words: [String]) throws {
        #expect(try Words(line).words == words)
    }

    @Test(
        "what is not closed is named",
        arguments: [
            ("service 'list", "the quote ' is not closed: add one at its end"),
            ("\"", "the quote \" is not closed: add one at its end"),
            (#""a\""#, "the quote \" is not closed: add one at its end"),
            (#"a "b\"#, "the quote \" is not closed: add one at its end"),
            (#"list \"#, "nothing follows the backslash at the end of the line"),
        ])
    func unclosed(line: String, message: String) throws {
        let error = try #require(throws: UsageError.self) { _ = try Words(line) }
        #expect(error.description == message)
    }

    @Test("a line of 65536 bytes is read")
    func long() throws {
        #expect(try Words(String(repeating: "a ", count: 32_768)).words.count == 32_768)
        #expect(try Words(String(repeating: "'", count: 65_536)).words == [""])
        #expect(try Words(String(repeating: "\\a", count: 32_768)).words.first?.count == 32_768)
    }
}
