import Foundation

/// What the agent of Azure reads where the manifest has `reportHeartbeat`. One that is older than 600 s is taken for a
/// handler that hangs, and its status takes the place of the last command's.
struct Heartbeat: Codable, Equatable, Sendable {
    enum Kind: String, Codable, Sendable {
        case ready = "Ready"
        case notReady = "NotReady"
    }

    struct Beat: Codable, Equatable, Sendable {
        var status: Kind
        var code: Int32 = 0
        var formattedMessage: StatusFile.Message
    }

    var version = 1.0
    var heartbeat: Beat

    /// Seconds between two.
    static let period = 60

    init(_ kind: Kind, _ message: String) {
        heartbeat = Beat(status: kind, formattedMessage: .init(message: StatusFile.cut(message, to: 256)))
    }

    var data: Data { StatusFile.encode([self]) }
}
