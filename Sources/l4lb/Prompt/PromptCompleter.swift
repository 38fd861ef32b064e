import API
import ArgumentParser
import Balancer
import Dispatch
import Synchronization
import Terminal

/// What could stand at the cursor: nouns, verbs, options, their values, ids.
struct PromptCompleter: Sendable {
    let balancer: any Balancing

    func complete(_ line: String, cursor: Int) -> Completion {
        let typed = String(decoding: line.utf8.prefix(cursor), as: UTF8.self)
        let words = typed.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
        let isNewWord = typed.isEmpty || typed.hasSuffix(" ")
        let word = isNewWord ? "" : words.last ?? ""
        let before = isNewWord ? words : Array(words.dropLast())
        return Completion(word: word, candidates: Self.candidates(after: before, word: word, ids: ids))
    }

    /// Pure, but for the ids, which are asked for only where one can stand.
    static func candidates(after words: [String], word: String, ids: () -> [UInt16]) -> [String] {
        let words = Array(words.drop { $0 == "help" })
        guard let noun = words.first else { return PromptGrammar.nouns }
        guard let verbs = PromptGrammar.verbs(of: noun) else { return [] }
        guard words.count > 1 || verbs.isEmpty else { return verbs }
        for option in ["--id", "--service"] where word.hasPrefix("\(option)=") {
            return ids().map { "\(option)=\($0)" }
        }
        switch words.last {
        case "--id", "--service": return ids().map(String.init)
        case "-o", "--output": return OutputFormat.allCases.map(\.rawValue)
        case let option?:
            if let values = values[option] { return values }
        case nil: break
        }
        for (option, values) in values where word.hasPrefix("\(option)=") { return values.map { "\(option)=\($0)" } }
        if noun == "mode", words.count == 2, words[1] == "update" { return Mode.allCases.map(\.rawValue) }
        let given = Set(words.map { $0.split(separator: "=").first.map(String.init) ?? $0 })
        return (options[[noun] + words.dropFirst().prefix(verbs.isEmpty ? 0 : 1)] ?? ["-o"]).filter {
            !given.contains($0.hasSuffix("=") ? String($0.dropLast()) : $0)
        }
    }

    /// Options that take one of a few words.
    private static let values: [String: [String]] = [
        "--algorithm": Algorithm.allCases.map(\.rawValue),
        "--source-ranges-policy": SourceRangesPolicy.allCases.map(\.rawValue),
        "--mode": Mode.allCases.map(\.rawValue),
    ]

    private static let options: [[String]: [String]] = [
        ["service", "update"]: [
            "--frontend=", "--backends=", "--id=", "--backend-weights=", "--states=", "--algorithm=", "--affinity",
            "--source-ranges=", "--source-ranges-policy=", "--mode=", "--max-new-connections=", "-o",
        ],
        ["service", "get"]: ["--id=", "-o"],
        ["service", "dumpstate"]: ["--id=", "-o"],
        ["service", "delete"]: ["--id=", "--all", "-o"],
        ["backend", "drain"]: ["--service=", "--wait", "--timeout=", "-o"],
        ["backend", "maintenance"]: ["--service=", "-o"],
        ["backend", "undrain"]: ["--service=", "-o"],
        ["plan"]: ["-f", "--exit-code", "-o"],
        ["apply"]: ["-f", "--confirm=", "-o"],
        ["monitor", "drops"]: ["--count=", "--seconds=", "--rate=", "-o"],
    ]

    /// The completer is called on the reading thread, which may wait.
    private func ids() -> [UInt16] {
        let answer = IDs()
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            let ids = (try? await balancer.serviceIDs()) ?? []
            answer.ids.withLock { $0 = ids }
            done.signal()
        }
        done.wait()
        return answer.ids.withLock { $0 }
    }
}

private final class IDs: Sendable {
    let ids = Mutex<[UInt16]>([])
}
