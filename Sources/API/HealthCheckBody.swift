import Balancer

/// A health check as a request's body has it: what is left out takes its default.
struct HealthCheckBody: Codable {
    var type: String
    var path: String?
    var status: String?
    var port: UInt16?
    var intervalSeconds: Double?
    var timeoutSeconds: Double?
    var rise: UInt16?
    var fall: UInt16?
    var panicThresholdPercent: UInt16?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case type, path, status, port, rise, fall
        case intervalSeconds = "interval_seconds"
        case timeoutSeconds = "timeout_seconds"
        case panicThresholdPercent = "panic_threshold_percent"
    }

    init(_ check: HealthCheck) {
        let report = HealthCheckReport(check)
        type = report.type
        path = report.path
        status = report.status
        port = report.port
        intervalSeconds = report.intervalSeconds
        timeoutSeconds = report.timeoutSeconds
        rise = UInt16(report.rise)
        fall = UInt16(report.fall)
        panicThresholdPercent = UInt16(report.panicThresholdPercent)
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(CodingKeys.self)
        type = try fields.decode(String.self, forKey: .type)
        path = try fields.decodeIfPresent(String.self, forKey: .path)
        status = try fields.decodeIfPresent(String.self, forKey: .status)
        port = try fields.number(.port)
        intervalSeconds = try fields.decodeIfPresent(Double.self, forKey: .intervalSeconds)
        timeoutSeconds = try fields.decodeIfPresent(Double.self, forKey: .timeoutSeconds)
        rise = try fields.number(.rise)
        fall = try fields.number(.fall)
        panicThresholdPercent = try fields.number(.panicThresholdPercent)
    }

    /// What the command's options would say.
    func texts() throws(APIError) -> HealthCheck.Texts {
        guard ["none", "tcp", "http"].contains(type) else {
            throw APIError(.invalid, "health_check.type: \(quoted(type)) is not none, tcp or http")
        }
        for (field, value) in [("path", path), ("status", status)] where type != "http" && value != nil {
            throw APIError(.invalid, "health_check.\(field): only a check of type http has one")
        }
        return HealthCheck.Texts(
            check: path.map { "http:\($0)" } ?? type, port: port.map(String.init), status: status,
            interval: intervalSeconds.map { "\($0)s" }, timeout: timeoutSeconds.map { "\($0)s" },
            rise: rise.map(String.init), fall: fall.map(String.init),
            panicThreshold: panicThresholdPercent.map(String.init))
    }
}
