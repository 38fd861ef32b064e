import Testing

@testable import Terminal

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Completion")
struct CompletionTests {
    @Test(
        "Tab does the least surprising thing",
        arguments: [
            ("se", ["service", "status"], Completion.Step.insert("rvice ")),
            ("--i", ["--id="], .insert("d=")),
            ("20.1.1.10:80", ["20.1.1.10:80,"], .insert(",")),
            ("s", ["status", "state", "mode"], .insert("tat")),
            ("stat", ["status", "state", "state"], .list(["state", "status"])),
            ("mode", ["mode"], .insert(" ")),
            ("x", ["mode"], .nothing),
            ("", [], .nothing),
        ])
    func step(word: String, candidates: [String], step: Completion.Step) {
        #expect(Completion(word: word, candidates: candidates).step == step)
    }

    @Test("Several candidates are set in columns that fit the terminal")
    func listing() {
        #expect(columns(["a", "bb", "ccc"], width: 80) == "a    bb   ccc\n")
        #expect(columns(["a", "bb", "ccc"], width: 10) == "a    ccc\nbb\n")
        #expect(columns(["a", "bb"], width: 1) == "a\nbb\n")
    }
}

@Suite("History")
struct HistoryTests {
    @Test(
        "The history is kept under the state folder",
        arguments: [
            (["XDG_STATE_HOME": "/s", "HOME": "/home/u"], "/s/l4lb/history"),
            (["HOME": "/home/u"], "/home/u/.local/state/l4lb/history"),
            (["XDG_STATE_HOME": "relative", "HOME": "/home/u"], "/home/u/.local/state/l4lb/history"),
            (["XDG_STATE_HOME": ""], nil),
            ([:], nil),
        ] as [([String: String], String?)])
    func path(environment: [String: String], path: String?) {
        #expect(historyPath(environment: environment) == path)
    }

    @Test("Repeated lines are folded, and lines that begin with a blank stay private")
    func folding() {
        #expect(History(["a", "a", " b", "\tc", "", "a", "d", "a"]).lines == ["a", "d", "a"])
    }

    @Test("A thousand lines are kept, the newest ones")
    func bound() {
        let history = History((1...1500).map { "line \($0)" })
        #expect(history.lines.count == 1000)
        #expect(history.lines.first == "line 501")
    }

    @Test("The file is bounded too, and only its owner can read it")
    func file() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/state/l4lb/history"
        var file = HistoryFile(path: path)
        for number in 1...1010 { _ = file.add("line \(number)") }
        #expect(HistoryFile(path: path).history == file.history)
        #expect(file.history.lines.last == "line 1010")
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o600)
        #expect(status.st_size == file.history.lines.reduce(0) { $0 + $1.utf8.count + 1 })
        #expect(stat(folder.path + "/state/l4lb", &status) == 0 && status.st_mode & 0o7777 == 0o700)
    }

    @Test("A folder that cannot be written costs the file, not the prompt")
    func unwritable() {
        var file = HistoryFile(path: "/dev/null/l4lb/history")
        _ = file.add("status")
        #expect(file.history.lines == ["status"])
    }
}

@Suite("A plain line")
struct PlainLineTests {
    @Test("In a pipe only the newline is special")
    func pipe() {
        var line = PlainLine(limit: 100, isTerminal: false)
        for byte in "a\u{4}\u{3}\u{8}\t".utf8 { _ = line.take(byte) }
        let end = line.take(UInt8(ascii: "\n"))
        #expect(end == .line("a\u{4}\u{3}\u{8}\t"))
    }

    @Test(
        "^W erases the word before the cursor", arguments: [("ab cd", "ab "), ("ab cd  ", "ab "), ("ab", ""), ("", "")])
    func word(typed: String, left: String) {
        var line = PlainLine(limit: 100, isTerminal: true)
        for byte in typed.utf8 { _ = line.take(byte) }
        _ = line.take(0x17)
        #expect(line.text == left)
    }

    @Test("A NUL at the empty prompt is the ^D of someone who typed ahead")
    func nul() {
        var line = PlainLine(limit: 100, isTerminal: true)
        let step = line.take(0)
        #expect(step == .endOfInput)
    }
}
