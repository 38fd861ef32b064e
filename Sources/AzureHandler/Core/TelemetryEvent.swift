import Foundation

/// One for the agent of Azure to send with its own: a file of digits in its events folder.
struct TelemetryEvent: Encodable, Equatable, Sendable {
    private enum CodingKeys: String, CodingKey {
        case version = "Version"
        case timestamp = "Timestamp"
        case task = "TaskName"
        case level = "EventLevel"
        case message = "Message"
        case process = "EventPid"
        case thread = "EventTid"
        case operation = "OperationId"
    }

    private let version, timestamp, task, level, message, process, thread, operation: String
    private let time: Date

    /// The agent drops longer ones, and what is beyond 300 in 5 minutes.
    static let messageLimit = 3 << 10
    /// Files that wait for the agent: where it has gone, they would be there for ever.
    static let waitingLimit = 100

    init(
        _ task: String, isError: Bool, _ message: String, version: String, process: Int32, operation: UUID,
        at time: Date
    ) {
        self.version = version
        timestamp = time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        self.task = task
        level = isError ? "Error" : "Informational"
        self.message = StatusFile.cut(message, to: Self.messageLimit)
        self.process = String(process)
        thread = String(process)
        self.operation = operation.uuidString.lowercased()
        self.time = time
    }

    /// Nanoseconds since 1970.
    var fileName: String { "\(Int(time.timeIntervalSince1970 * 1_000_000) * 1000).json" }
    var data: Data { StatusFile.encode([self]) }
}
