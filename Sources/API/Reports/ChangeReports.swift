import Balancer

/// What an update of a service has done.
public struct ServiceUpdateReport: Codable, Hashable, Sendable {
    public enum Result: String, Codable, Sendable {
        case created, replaced
    }

    public var result: Result
    public var id: UInt16
    public var frontend: String
    public var backends: Int
    public var warnings: [String]

    public init(_ outcome: DesiredState.Outcome, warnings: [String]) {
        let service = outcome.service
        result =
            switch outcome {
            case .created: .created
            case .replaced: .replaced
            }
        id = service.id
        frontend = service.frontend.description
        backends = service.backends.count
        self.warnings = warnings
    }
}

public struct DeletedReport: Codable, Hashable, Sendable {
    public struct ServiceEntry: Codable, Hashable, Sendable {
        public var id: UInt16
        public var frontend: String
    }

    public var deleted: Int
    public var services: [ServiceEntry]

    public init(_ services: [Service]) {
        deleted = services.count
        self.services = services.map { ServiceEntry(id: $0.id, frontend: $0.frontend.description) }
    }
}

public struct ModeReport: Codable, Hashable, Sendable {
    public var mode: Mode

    public init(mode: Mode) {
        self.mode = mode
    }
}

public struct ModeUpdateReport: Codable, Hashable, Sendable {
    public var mode: Mode
    /// False where it was that one already.
    public var changed: Bool

    public init(mode: Mode, changed: Bool) {
        self.mode = mode
        self.changed = changed
    }
}

extension Mode: Codable {}
