import Testing

@testable import Terminal

@Suite struct KeyTests {
    @Test(
        "bytes are keys, a sequence is one",
        arguments: [
            ("q", [.character("q")]), ("cn", [.character("c"), .character("n")]), ("\u{3}", [.interrupt]),
            ("\r", [.enter]), ("\n", [.enter]), ("\u{7f}", [.backspace]), ("\u{8}", [.backspace]),
            ("\u{1b}[A", [.up]), ("\u{1b}OB", [.down]), ("\u{1b}[5~", [.pageUp]),
            ("\u{1b}[6~x", [.pageDown, .character("x")]),
            ("\u{1b}[H", [.home]), ("\u{1b}[F", [.end]), ("\u{1b}q", [.escape, .character("q")]),
            ("\u{1b}[1;5Cq", [.character("q")]), ("\u{1b}[9999999q", [.character("9"), .character("q")]),
            ("\u{1}\u{0}", []), ("ü", []), ("", []),
        ] as [(String, [Key])])
    func keys(bytes: String, keys: [Key]) {
        var whole = KeyReader()
        let found = whole.take(bytes.utf8) + whole.pause()
        #expect(found == keys)
        var single = KeyReader()
        var one: [Key] = []
        for byte in bytes.utf8 { one += single.take([byte]) }
        one += single.pause()
        #expect(one == keys)
    }

    @Test("an escape alone is a key when nothing follows") func escape() {
        var reader = KeyReader()
        let (begun, paused, behind) = (reader.take([0x1b]), reader.pause(), reader.take("[A".utf8))
        #expect(begun == [] && paused == [.escape])
        #expect(behind == [.character("["), .character("A")])
    }
}

@Suite struct LiveScreenTests {
    @Test("the screen takes the terminal, gives keys one by one, and gives the terminal back") func life() async throws
    {
        let pty = try Pty(columns: 33)
        let before = pty.settings
        let screen = try #require(LiveScreen(terminalType: "xterm", input: pty.terminal, output: pty.terminal))
        #expect(pty.settings != before)
        #expect(screen.size == (33, 24))
        screen.draw(["one", "two"], title: 1)
        pty.type("c\u{1b}[A\u{3}q")
        var keys: [Key] = []
        for await key in screen.keys {
            keys.append(key)
            if key == .character("q") { break }
        }
        #expect(keys == [.character("c"), .up, .interrupt, .character("q")])
        screen.end()
        screen.end()
        #expect(pty.settings == before)
        let shown = try pty.see("\u{1b}[?1049l")
        #expect(shown.hasPrefix("\u{1b}[?1049h"))
        #expect(shown.contains("\u{1b}[Hone\u{1b}[K"))
        #expect(shown.contains("\u{1b}[7mtwo\u{1b}[0m\u{1b}[K\u{1b}[J"))
    }

    @Test("a terminal that cannot move its cursor is left alone", arguments: [nil, "", "dumb"])
    func dumb(type: String?) throws {
        let pty = try Pty()
        let before = pty.settings
        #expect(LiveScreen(terminalType: type, input: pty.terminal, output: pty.terminal) == nil)
        #expect(pty.settings == before && pty.unseen.isEmpty)
    }
}
