/// A line typed at a terminal that can only print: no byte it echoes is an
/// escape character.
///
/// The kernel's own line mode would do, but it cuts lines at 4095 bytes and
/// does not tell an empty line from a dropped one when ^C is pressed.
struct PlainLine {
    enum Step: Equatable {
        case echo([UInt8])
        case interrupted
        case endOfInput
        case line(String)
        case tooLong
    }

    let limit: Int
    /// Control characters edit; in a pipe they are bytes like any other.
    let isTerminal: Bool
    var interruptKey: UInt8 = 0x03

    private(set) var bytes: [UInt8] = []
    private var isOverlong = false
    /// Where in the sequence that an arrow or function key sends.
    private var key = Key.none

    private enum Key { case none, escape, sequence }

    init(limit: Int, isTerminal: Bool) {
        self.limit = limit
        self.isTerminal = isTerminal
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    mutating func take(_ byte: UInt8) -> Step {
        if byte == UInt8(ascii: "\n") || (isTerminal && byte == UInt8(ascii: "\r")) {
            return isOverlong ? .tooLong : .line(text)
        }
        guard isTerminal, !skipsKey(byte) else { return isTerminal ? .echo([]) : append(byte) }
        switch byte {
        case interruptKey: return .interrupted
        // The kernel has turned a ^D that was typed before the first prompt into NUL.
        case 0x00, 0x04: return bytes.isEmpty ? .endOfInput : .echo([])
        case 0x08, 0x7F: return erase { _ in false }
        case 0x15: return erase { _ in true }
        case 0x17:
            var isInWord = false
            return erase { last in
                isInWord = isInWord || last != UInt8(ascii: " ")
                return !isInWord || last != UInt8(ascii: " ")
            }
        case UInt8(ascii: "\t"): return append(UInt8(ascii: " "))
        case ..<0x20: return .echo([])
        default: return append(byte)
        }
    }

    /// Keys that would move the cursor do nothing here: not even their tail is text.
    private mutating func skipsKey(_ byte: UInt8) -> Bool {
        switch (key, byte) {
        case (_, 0x1B): key = .escape
        case (.escape, UInt8(ascii: "[")), (.escape, UInt8(ascii: "O")): key = .sequence
        case (.sequence, 0x20..<0x40): break
        case (.sequence, 0x40...): key = .none
        default:
            key = .none
            return false
        }
        return true
    }

    private mutating func append(_ byte: UInt8) -> Step {
        guard bytes.count < limit, !isOverlong else {
            isOverlong = true
            return .echo([])
        }
        bytes.append(byte)
        return .echo([byte])
    }

    /// Erases one character, and more for as long as `goesOn` says so of the
    /// byte that would be next.
    private mutating func erase(while goesOn: (UInt8) -> Bool) -> Step {
        var echo: [UInt8] = []
        repeat {
            guard var last = bytes.popLast() else { break }
            while last & 0xC0 == 0x80, let next = bytes.popLast() { last = next }
            echo += [0x08, UInt8(ascii: " "), 0x08]
        } while bytes.last.map(goesOn) ?? false
        return .echo(echo)
    }
}
