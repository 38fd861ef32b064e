/// A line of the prompt as words, as a shell splits them: blanks separate, quotes keep together,
/// a backslash takes the next character as it is, and # at a word's beginning starts a comment.
struct Words {
    let words: [String]

    init(_ line: String) throws(UsageError) {
        var words: [String] = []
        var word = ""
        var isOpen = false
        var quote: Character?
        var characters = line.makeIterator()
        while let character = characters.next() {
            if let open = quote {
                if character == open {
                    quote = nil
                } else if character == "\\", open == "\"", let next = characters.next() {
                    word.append(next)
                } else {
                    word.append(character)
                }
            } else if character == "\"" || character == "'" {
                quote = character
                isOpen = true
            } else if character == "\\" {
                guard let next = characters.next() else {
                    throw UsageError(description: "nothing follows the backslash at the end of the line")
                }
                word.append(next)
                isOpen = true
            } else if character.isWhitespace {
                if isOpen { words.append(word) }
                word = ""
                isOpen = false
            } else if character == "#", !isOpen {
                break
            } else {
                word.append(character)
                isOpen = true
            }
        }
        if let quote { throw UsageError(description: "the quote \(quote) is not closed: add one at its end") }
        if isOpen { words.append(word) }
        self.words = words
    }
}
