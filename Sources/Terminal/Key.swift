/// A key as a program meets it that reads keys one by one.
public enum Key: Equatable, Sendable {
    case character(Character)
    case enter, escape, backspace, interrupt
    case up, down, pageUp, pageDown, home, end
}

/// Makes keys of a terminal's bytes (ECMA-48). Sequences that mean nothing here are passed over.
struct KeyReader {
    private var pending: [UInt8] = []
    /// Bytes of a sequence at the most: what is longer is none.
    private static let limit = 8

    mutating func take(_ bytes: some Sequence<UInt8>) -> [Key] {
        var keys: [Key] = []
        for byte in bytes {
            if pending.isEmpty, byte != 0x1b {
                if let key = Self.single(byte) { keys.append(key) }
                continue
            }
            pending.append(byte)
            // ESC [ or ESC O, parameters, then a letter or ~.
            let isSequence = pending.count < 2 || [UInt8(ascii: "["), UInt8(ascii: "O")].contains(pending[1])
            let isDone = pending.count > 2 && (0x40...0x7e).contains(byte)
            guard !isSequence || isDone || pending.count >= Self.limit else { continue }
            if let key = Self.sequences[String(decoding: pending.dropFirst(2), as: UTF8.self)], isDone {
                keys.append(key)
            } else if !isSequence {
                keys.append(.escape)
                if let key = Self.single(byte) { keys.append(key) }
            }
            pending = []
        }
        return keys
    }

    /// Nothing has followed: an escape that began no sequence was the key.
    mutating func pause() -> [Key] {
        defer { pending = [] }
        return pending == [0x1b] ? [.escape] : []
    }

    private static let sequences: [String: Key] = [
        "A": .up, "B": .down, "5~": .pageUp, "6~": .pageDown, "H": .home, "F": .end, "1~": .home, "4~": .end,
    ]

    private static func single(_ byte: UInt8) -> Key? {
        switch byte {
        case 0x03: .interrupt
        case 0x0a, 0x0d: .enter
        case 0x08, 0x7f: .backspace
        case 0x1b: .escape
        case 0x20...0x7e: .character(Character(Unicode.Scalar(byte)))
        default: nil
        }
    }
}
