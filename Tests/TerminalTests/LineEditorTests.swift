import Testing

@testable import Terminal

private let prompt = "l4lb> "

/// One at a time: libedit and ncurses have one terminal's state for a whole process, as an agent has one prompt.
@Suite("The prompt on a pseudo-terminal", .serialized, .timeLimit(.minutes(1)))
struct LineEditorTests {
    @Test("A typed line is read, and ^D at the empty prompt ends the input", arguments: ["xterm", "dumb", nil])
    func line(type: String?) throws {
        let pty = try Pty()
        pty.start(pty.editor(type))
        #expect(try pty.see(prompt) == prompt)
        pty.type("service list\r")
        try pty.see("service list\r\n" + prompt)
        pty.type("\u{4}")
        #expect(pty.lines() == [.line("service list"), .endOfInput])
    }

    @Test("Nothing follows the prompt until a key is pressed", arguments: ["xterm", "dumb"])
    func quiet(type: String) async throws {
        let pty = try Pty()
        pty.start(pty.editor(type))
        try pty.see(prompt)
        try await Task.sleep(for: .milliseconds(300))
        #expect(pty.unseen == "")
        pty.type("\u{4}")
        #expect(pty.lines() == [.endOfInput])
    }

    @Test("^C drops what was typed and ends the session at an empty prompt", arguments: ["xterm", "dumb"])
    func interrupt(type: String) throws {
        let pty = try Pty()
        pty.start(pty.editor(type))
        try pty.see(prompt)
        pty.type("service delete --all")
        try pty.see("--all")
        pty.type("\u{3}")
        try pty.see("^C\r\n" + prompt)
        pty.type("\u{3}")
        #expect(pty.lines() == [.interrupted])
    }

    @Test("A signal handler can press ^C", arguments: ["xterm", "dumb"])
    func interruptFromThread(type: String) throws {
        let pty = try Pty()
        let editor = pty.editor(type)
        #expect(!editor.interrupt(), "nobody reads yet")
        pty.start(editor)
        try pty.see(prompt)
        pty.type("mode")
        try pty.see("mode")
        #expect(editor.interrupt())
        try pty.see(prompt)
        #expect(editor.interrupt())
        #expect(pty.lines() == [.interrupted])
    }

    @Test("A line can be edited before it is entered", arguments: ["xterm", "dumb"])
    func editing(type: String) throws {
        let pty = try Pty()
        pty.start(pty.editor(type))
        try pty.see(prompt)
        pty.type("mode gex\u{7F}t\rnone\u{15}status\rmode update xx\u{17}dsr\rété\u{7F}é\r\u{4}")
        #expect(
            pty.lines() == [.line("mode get"), .line("status"), .line("mode update dsr"), .line("été"), .endOfInput])
    }

    @Test("Arrow keys move in the line and in the history, and ^R searches it")
    func keys() throws {
        let pty = try Pty()
        pty.start(pty.editor("xterm"))
        try pty.see(prompt)
        pty.type("mode get\rstatu\u{1B}[D\u{1B}[D\u{1B}[C\u{1B}[Cs\r\u{1B}[A\u{1B}[A\r\u{12}tatu\r\u{4}")
        #expect(
            pty.lines() == [.line("mode get"), .line("status"), .line("mode get"), .line("status"), .endOfInput])
    }

    @Test("Tab inserts a unique word, extends to the common part, and lists several")
    func completion() throws {
        let pty = try Pty()
        pty.start(pty.editor("xterm", candidates: ["service", "state", "status", "--id="]))
        try pty.see(prompt)
        pty.type("se\t")
        try pty.see("rvice ")
        pty.type("--i\t4 st\t")
        try pty.see("at")
        pty.type("\t")
        try pty.see("state   status\r\n" + prompt)
        pty.type("u\t\r\u{4}")
        #expect(pty.lines() == [.line("service --id=4 status "), .endOfInput])
    }

    @Test("A dumb terminal is sent no escape character, whatever is typed")
    func dumb() throws {
        let pty = try Pty()
        pty.start(pty.editor("dumb", candidates: ["service"]))
        try pty.see(prompt)
        pty.type("\u{1B}[A\u{1B}OP\u{1B}[1;5Cse\t\u{12}x\u{1B}\u{7F}\r\u{4}")
        let screen = try pty.see(prompt + "\r\n")
        #expect(!screen.contains("\u{1B}"))
        #expect(pty.lines() == [.line("se "), .endOfInput])
    }

    @Test("An unknown terminal type gets the plain prompt without a complaint")
    func unknownType() throws {
        let pty = try Pty()
        pty.start(pty.editor("no-such-terminal"))
        #expect(try pty.see(prompt) == prompt)
        pty.type("a\u{7F}b\r\u{4}")
        #expect(try !pty.see(prompt + "\r\n").contains("\u{1B}"))
        #expect(pty.lines() == [.line("b"), .endOfInput])
    }

    @Test("A long paste arrives whole, and one over the limit is refused as a whole", arguments: ["xterm", "dumb"])
    func longLines(type: String) throws {
        let pty = try Pty()
        pty.start(pty.editor(type))
        try pty.see(prompt)
        let whole = String(repeating: "x", count: 9000)
        pty.type(whole + "\r" + String(repeating: "y", count: LineEditor.lineLimit + 1) + "\r")
        try pty.see(prompt)
        try pty.see(prompt)
        pty.type("\u{4}")
        #expect(
            pty.lines() == [.line(whole), .tooLong(limit: LineEditor.lineLimit), .endOfInput])
    }

    @Test("A line that is too long can be dropped with ^C", arguments: ["xterm", "dumb"])
    func dropLongLine(type: String) throws {
        let pty = try Pty()
        pty.start(pty.editor(type))
        try pty.see(prompt)
        pty.type(String(repeating: "x", count: LineEditor.lineLimit + 1) + "\u{3}")
        try pty.see("^C\r\n" + prompt)
        pty.type("status\r\u{0}")
        #expect(pty.lines() == [.line("status"), .endOfInput])
    }

    @Test("Stopping ends a blocked line and all later ones", arguments: ["xterm", "dumb"])
    func stop(type: String) throws {
        let pty = try Pty()
        let editor = pty.editor(type)
        pty.start(editor)
        try pty.see(prompt)
        pty.type("half")
        try pty.see("half")
        editor.stop()
        #expect(pty.lines() == [.stopped])
        #expect(editor.readLine() == .stopped)
    }

    @Test("The terminal has its settings back when the editor is gone", arguments: ["xterm", "dumb"])
    func settingsReturn(type: String) throws {
        let pty = try Pty()
        let before = pty.settings
        do {
            let editor = pty.editor(type)
            #expect(pty.settings != before)
            pty.type("\u{4}")
            #expect(editor.readLine() == .endOfInput)
        }
        #expect(pty.settings == before)
    }

    @Test("Another thread can put the terminal's settings back while a line is read", arguments: ["xterm", "dumb"])
    func restoring(type: String) throws {
        let pty = try Pty()
        let before = pty.settings
        let editor = pty.editor(type)
        pty.start(editor)
        try pty.see(prompt)
        #expect(pty.settings != before)
        editor.restoreTerminal()
        #expect(pty.settings == before)
        editor.stop()
        #expect(pty.lines() == [.stopped])
    }

    @Test("What was entered is in the next session's history")
    func historyLasts() throws {
        let folder = try TemporaryFolder()
        for (keys, lines) in [
            ("mode get\r secret\rstatus\rstatus\r\u{4}", ["mode get", " secret", "status", "status"]),
            ("\u{1B}[A\u{1B}[A\r\u{4}", ["mode get"]),
        ] {
            let pty = try Pty()
            pty.start(pty.editor("xterm", historyFile: folder.path + "/state/l4lb/history"))
            try pty.see(prompt)
            pty.type(keys)
            #expect(pty.lines() == lines.map { .line($0) } + [.endOfInput])
        }
    }

    @Test("The width is the terminal's, and unbounded elsewhere")
    func width() throws {
        for (columns, width) in [(132, 132), (0, 80)] {
            let pty = try Pty(columns: UInt16(columns))
            let found = withExtendedLifetime(pty) { terminalWidth(of: pty.terminal) }
            #expect(found == width)
        }
        #expect(terminalWidth(of: -1) == nil)
    }
}
