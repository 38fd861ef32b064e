import Balancer

/// How a service's backends are checked.
public struct HealthCheckReport: Codable, Hashable, Sendable {
    /// tcp or http
    public var type: String
    /// Null with tcp, as the statuses are.
    @ExplicitNull public var path: String?
    @ExplicitNull public var status: String?
    /// Null: the backend's port, in DSR the frontend's.
    @ExplicitNull public var port: UInt16?
    public var intervalSeconds: Double
    public var timeoutSeconds: Double
    public var rise: Int
    public var fall: Int
    public var panicThresholdPercent: Int

    init(_ check: HealthCheck) {
        switch check.kind {
        case .tcp: type = "tcp"
        case .http(let path, let statuses):
            type = "http"
            self.path = path
            status = statuses.description
        }
        port = check.port
        intervalSeconds = check.interval.seconds
        timeoutSeconds = check.timeout.seconds
        rise = check.rise
        fall = check.fall
        panicThresholdPercent = check.panicThreshold
    }
}

extension BackendHealth? {
    /// As reports have it.
    var word: String { self?.verdict.rawValue ?? "none" }
}
