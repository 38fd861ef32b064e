import Foundation

/// `<seq>.status`: an array of one, which the agent of Azure reads every few seconds.
struct StatusFile: Codable, Equatable, Sendable {
    enum Kind: String, Codable, Sendable {
        case transitioning, success, warning, error
    }

    struct Message: Codable, Equatable, Sendable {
        var lang = "en-US"
        var message: String
    }

    struct Substatus: Codable, Equatable, Sendable {
        var name: String
        var status: Kind
        var code: Int32 = 0
        var formattedMessage: Message
    }

    struct Status: Codable, Equatable, Sendable {
        var name: String
        var operation: String
        var status: Kind
        var code: Int32
        var configurationAppliedTime: String
        var formattedMessage: Message
        var substatus: [Substatus]
    }

    var version = "1.0"
    var timestampUTC: String
    var status: Status

    /// Bytes of a message at the most, past which the agent cuts it off.
    static let messageLimit = 1024
    /// Bytes of the file: beyond 128 KiB the agent leaves entries out.
    static let limit = 128 << 10

    init(
        name: String, operation: String, _ kind: Kind, code: ExitCode = .done, _ message: String,
        substatus: [Substatus] = [], at time: Date
    ) {
        timestampUTC = Self.text(time)
        status = Status(
            name: name, operation: operation, status: kind, code: code.rawValue,
            configurationAppliedTime: Self.text(time),
            formattedMessage: Message(message: Self.cut(message, to: Self.messageLimit)), substatus: substatus)
    }

    /// Reads what a command has written.
    init(_ data: Data) throws {
        guard let first = try JSONDecoder().decode([Self].self, from: data).first else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "the array is empty"))
        }
        self = first
    }

    /// Takes over how things do; whether that is anything new. What came of the settings stays as it was told.
    mutating func refresh(_ condition: Condition, at time: Date) -> Bool {
        guard status.status != .transitioning else { return false }
        var fresh = self
        fresh.status.substatus = condition.substatus
        guard fresh.data != data else { return false }
        fresh.timestampUTC = Self.text(time)
        self = fresh
        return true
    }

    /// With as many entries of substatus as the agent takes; the last one then says how many more there are.
    var data: Data {
        var shown = self
        var kept = status.substatus.count
        while true {
            shown.status.substatus = Array(status.substatus.prefix(kept))
            let left = status.substatus.count - kept
            if left > 0 {
                shown.status.substatus.append(
                    Substatus(
                        name: "more", status: .success,
                        formattedMessage: Message(message: "\(counted(left, "more service"))")))
            }
            let data = Self.encode([shown])
            if data.count <= Self.limit || kept == 0 { return data }
            kept = min(kept - 1, kept * Self.limit / data.count)
        }
    }

    static func encode(_ value: some Encodable) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and numbers, which can always be written.
        return (try? encoder.encode(value)) ?? Data("[]".utf8)
    }

    /// ISO 8601 in UTC, without fractions.
    static func text(_ time: Date) -> String { time.formatted(.iso8601) }

    /// No more bytes than that, whole characters.
    static func cut(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var kept = ""
        var count = 0
        for character in text {
            count += character.utf8.count
            guard count <= limit - 3 else { break }
            kept.append(character)
        }
        return kept + "..."
    }
}
