/// What could stand at the cursor.
public struct Completion: Equatable, Sendable {
    /// The part before the cursor that every candidate begins with and replaces.
    public var word: String
    /// Whole words; those that do not begin with `word` are left out.
    public var candidates: [String]

    public init(word: String = "", candidates: [String] = []) {
        self.word = word
        self.candidates = candidates
    }

    enum Step: Equatable {
        case nothing
        case insert(String)
        case list([String])
    }

    /// A unique candidate is inserted, several are extended to what they
    /// share, and listed when that is nothing more.
    var step: Step {
        let fitting = Array(Set(candidates.filter { $0.hasPrefix(word) })).sorted()
        guard let first = fitting.first else { return .nothing }
        if fitting.count == 1 {
            // A value or another list member follows at once.
            let open = first.hasSuffix("=") || first.hasSuffix(",")
            return .insert(first.dropFirst(word.count) + (open ? "" : " "))
        }
        let shared = fitting.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
        return shared.count > word.count ? .insert(String(shared.dropFirst(word.count))) : .list(fitting)
    }
}

extension String {
    fileprivate func commonPrefix(with other: String) -> String {
        String(zip(self, other).prefix { $0 == $1 }.map(\.0))
    }
}

/// Sets words in columns, read downwards, each line ending with a newline.
func columns(_ words: [String], width: Int?) -> String {
    let cell = (words.map(\.count).max() ?? 0) + 2
    let across = max(1, (width ?? 80) / cell)
    let rows = (words.count + across - 1) / across
    return (0..<rows).map { row in
        let line = stride(from: row, to: words.count, by: rows).map { index in
            let isLast = index + rows >= words.count
            return words[index] + (isLast ? "" : String(repeating: " ", count: cell - words[index].count))
        }
        return line.joined() + "\n"
    }.joined()
}
