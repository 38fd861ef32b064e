import Foundation

/// Which settings count. Numbers may go down, so the highest says nothing.
enum SequenceNumber {
    static let variable = "ConfigSequenceNumber"

    /// What the agent says; else the settings file that it has written last. Nil where there is neither.
    static func current(_ environment: [String: String], files: [(name: String, modified: Date)]) -> Int? {
        if let number = environment[variable].flatMap({ number($0) }) { return number }
        let numbered = files.compactMap { file -> (number: Int, modified: Date)? in
            guard file.name.hasSuffix(".settings") else { return nil }
            return number(file.name.dropLast(".settings".count)).map { ($0, file.modified) }
        }
        return numbered.max { ($0.modified, $0.number) < ($1.modified, $1.number) }?.number
    }

    private static func number(_ text: some StringProtocol) -> Int? {
        guard (1...18).contains(text.utf8.count), text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(text)
    }
}
