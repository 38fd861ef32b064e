import Testing

@testable import l4lb

@Suite struct CompletionTests {
    private func candidates(_ words: String..., word: String = "") -> [String] {
        PromptCompleter.candidates(after: words, word: word) { [1, 7] }
    }

    private let format = ["-o"]
    private let updateOptions = [
        "--frontend=", "--backends=", "--id=", "--backend-weights=", "--states=", "--algorithm=", "--affinity",
        "--source-ranges=", "--source-ranges-policy=", "--mode=", "--max-new-connections=", "-o",
    ]

    @Test("at the beginning, and after help, stand the nouns")
    func nouns() {
        #expect(candidates() == PromptGrammar.nouns)
        #expect(candidates(word: "ser") == PromptGrammar.nouns)
        #expect(candidates("help") == PromptGrammar.nouns)
    }

    @Test("after a noun stand its verbs")
    func verbs() {
        #expect(candidates("service") == ["update", "list", "get", "dumpstate", "delete"])
        #expect(candidates("help", "mode") == ["get", "update"])
        #expect(candidates("neighbor") == ["list"])
        #expect(candidates("backend") == ["list", "drain", "maintenance", "undrain"])
        #expect(candidates("status") == format)
        #expect(candidates("plan", "-f", "f.yaml") == ["--exit-code", "-o"])
        #expect(candidates("apply") == ["-f", "--confirm=", "-o"])
        #expect(candidates("monitor") == ["drops"])
        #expect(candidates("monitor", "drops", "--rate=5") == ["--count=", "--seconds=", "-o"])
    }

    @Test("after what is no command stands nothing")
    func unknown() {
        #expect(candidates("bogus") == [])
        #expect(candidates("bogus", "list") == [])
    }

    @Test("after a verb stand its options, without those that are given")
    func options() {
        #expect(candidates("service", "update") == updateOptions)
        #expect(
            candidates("service", "update", "--frontend=40.1.1.1:80", "--id", "7", "--affinity")
                == [
                    "--backends=", "--backend-weights=", "--states=", "--algorithm=", "--source-ranges=",
                    "--source-ranges-policy=", "--mode=", "--max-new-connections=", "-o",
                ])
        #expect(candidates("service", "list") == format)
        #expect(candidates("service", "list", "-o", "json") == [])
        #expect(candidates("service", "delete") == ["--id=", "--all", "-o"])
    }

    @Test("values are completed: ids, formats, algorithms, modes")
    func values() {
        #expect(candidates("service", "get", "--id") == ["1", "7"])
        #expect(candidates("service", "get", word: "--id=") == ["--id=1", "--id=7"])
        #expect(candidates("service", "dumpstate", word: "--id=7") == ["--id=1", "--id=7"])
        #expect(candidates("backend", "drain", "20.1.1.10:80", word: "--service=") == ["--service=1", "--service=7"])
        #expect(candidates("backend", "undrain", "--service") == ["1", "7"])
        #expect(candidates("status", "-o") == ["table", "json"])
        #expect(candidates("service", "list", "--output") == ["table", "json"])
        #expect(candidates("service", "update", "--algorithm") == ["maglev", "random"])
        #expect(
            candidates("service", "update", word: "--algorithm=r") == ["--algorithm=maglev", "--algorithm=random"])
        #expect(candidates("service", "update", "--mode") == ["snat", "dsr"])
        #expect(candidates("service", "update", word: "--mode=") == ["--mode=snat", "--mode=dsr"])
        #expect(candidates("service", "update", "--source-ranges-policy") == ["allow", "deny"])
        #expect(
            candidates("service", "update", word: "--source-ranges-policy=d")
                == ["--source-ranges-policy=allow", "--source-ranges-policy=deny"])
        #expect(candidates("mode", "update") == ["snat", "dsr"])
        #expect(candidates("mode", "update", "dsr") == format)
    }

    @Test("ids are asked for only where one can stand")
    func lazily() {
        for words in [[], ["service"], ["service", "update"], ["status", "-o"], ["mode", "update"]] {
            _ = PromptCompleter.candidates(after: words, word: "") {
                Issue.record("asked after \(words)")
                return []
            }
        }
    }

    @Test("words without end or sense are no trouble")
    func hostile() {
        let help = [String](repeating: "help", count: 20_000)
        #expect(PromptCompleter.candidates(after: help, word: "") { [] } == PromptGrammar.nouns)
        #expect(candidates("service", "update", "=", "==", "", "--=") == updateOptions)
    }
}
