import Balancer

/// Why the agent could not do what it was asked: what an error's answer holds.
public struct APIError: Error, Codable, Hashable, Sendable {
    public enum Code: String, Codable, Sendable, CaseIterable {
        /// The request itself is wrong.
        case invalid
        /// Not from there.
        case forbidden
        case notFound = "not_found"
        case methodNotAllowed = "method_not_allowed"
        /// It did not come to its end in time.
        case tooSlow = "too_slow"
        /// The state of the balancer or of its host forbids it.
        case conflict
        case tooLarge = "too_large"
        /// It was tried and went wrong.
        case failed
        /// The agent is starting or ending.
        case unavailable

        /// The HTTP status.
        public var status: Int {
            switch self {
            case .invalid: 400
            case .forbidden: 403
            case .notFound: 404
            case .methodNotAllowed: 405
            case .tooSlow: 408
            case .conflict: 409
            case .tooLarge: 413
            case .failed: 500
            case .unavailable: 503
            }
        }
    }

    public var code: Code
    /// One line that names the thing.
    public var message: String
    /// What to do about it, where the message does not say that already.
    public var mend: String?
    /// Further lines: what clang or the verifier said.
    public var details: String?
    /// The path in the request's body of what is wrong, such as `services[3].backends[0].weight`.
    public var field: String?

    public init(_ code: Code, _ message: String, mend: String? = nil, details: String? = nil, field: String? = nil) {
        self.code = code
        self.message = message
        self.mend = mend
        self.details = details
        self.field = field
    }

    /// About a field, which the message begins with.
    init(_ code: Code, field: String, _ text: String, separator: String = ": ") {
        self.init(code, field + separator + text, field: field)
    }

    /// The same where its field lies in something else.
    public func within(_ path: String) -> Self {
        var error = self
        error.field = field.map { "\(path).\($0)" } ?? path
        // A body that is wrong as a whole is the thing that it lies in.
        error.message = field == nil ? "\(path): \(message)" : "\(path).\(message)"
        return error
    }

    /// The most characters of a message: it may hold what somebody sent.
    private static let messageLimit = 600

    init(_ error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as BalancerError: self.init(error)
        default:
            // The verifier's words follow on lines of their own.
            let lines = "\(error)".split(separator: "\n", maxSplits: 1).map(String.init)
            self.init(.failed, lines.first ?? "unknown error", details: lines.dropFirst().first)
        }
        message = printable(message, limit: Self.messageLimit)
    }

    /// As a command shows it.
    public var line: String { mend.map { "\(message): \($0)" } ?? message }
}

extension APIError {
    /// A refusal; of one service among several it has the path.
    public init(_ error: BalancerError) {
        guard let service = error.service else {
            self.init(.init(error.kind), error.description)
            return
        }
        let path = "services[\(service)]"
        let (field, text) = ServiceBody.named(error.description)
        self = APIError(.init(error.kind), text, field: field).within(path)
    }
}

extension APIError.Code {
    public init(_ kind: BalancerError.Kind) {
        self =
            switch kind {
            case .usage: .invalid
            case .notFound: .notFound
            case .refused: .conflict
            }
    }
}

/// `{"error": {…}}`
struct ErrorReport: Codable {
    var error: APIError
}
