import Balancer
import Foundation

/// What `plan` shows: what would change, and what that does to connections.
public struct PlanReport: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, Sendable {
        case created, replaced, removed
        /// Taken over from another origin, and else the same.
        case adopted
    }

    public struct Difference: Codable, Hashable, Sendable {
        /// A field of the service, or `backends` for each backend that differs.
        public var field: String
        /// As JSON; null where there was or will be nothing.
        @ExplicitNull public var before: String?
        @ExplicitNull public var after: String?

        public init(field: String, before: String?, after: String?) {
            self.field = field
            self.before = before
            self.after = after
        }
    }

    public struct ServiceEntry: Codable, Hashable, Sendable {
        public var change: Kind
        public var id: UInt16
        public var frontend: String
        public var backends: Int
        public var differences: [Difference]
        /// Percent of its new connections that go to another backend than before; null where the service is created
        /// or removed.
        @ExplicitNull public var movedPercent: Double?
        /// Living ones.
        public var connections: Int
        public var connectionsLeaving: Int
        public var connectionsRechosen: Int
    }

    public var changed: Bool
    /// Null where it stays.
    @ExplicitNull public var modeBefore: String?
    @ExplicitNull public var modeAfter: String?
    public var created: Int
    public var replaced: Int
    public var removed: Int
    public var adopted: Int
    public var unchanged: Int
    /// Of all services that stay, each counting the same.
    public var movedPercent: Double
    public var connections: Int
    /// On backends that leave, or of services that are removed: they go on until they end.
    public var connectionsLeaving: Int
    /// On backends that go into maintenance: they choose another one.
    public var connectionsRechosen: Int
    /// Those that change.
    public var services: [ServiceEntry]
    public var warnings: [String]

    public init(_ change: StateChange, impact: Impact, warnings: [String] = []) {
        changed = !change.isEmpty
        (modeBefore, modeAfter) = (change.oldMode?.rawValue, change.newMode?.rawValue)
        (created, replaced) = (change.created.count, change.replaced.count)
        (removed, adopted, unchanged) = (change.removed.count, change.adopted.count, change.unchanged)
        movedPercent = Self.percent(impact.moved)
        connections = impact.connections
        connectionsLeaving = impact.leaving
        connectionsRechosen = impact.rechosen
        self.warnings = warnings
        let entry = { (kind: Kind, service: Service, old: Service?) in
            ServiceEntry(kind, service, old: old, impact: impact.services[service.frontend] ?? Impact.OfService())
        }
        services = change.removed.map { entry(.removed, $0, nil) }
        services += change.created.map { entry(.created, $0, nil) }
        services += change.replaced.map { entry(.replaced, $0.new, $0.old) }
        services += change.adopted.map { entry(.adopted, $0.new, nil) }
    }
}

extension PlanReport.ServiceEntry {
    fileprivate init(_ change: PlanReport.Kind, _ service: Service, old: Service?, impact: Impact.OfService) {
        self.change = change
        id = service.id
        frontend = service.frontend.description
        backends = service.backends.count
        differences = old.map { PlanReport.differences(from: $0, to: service) } ?? []
        movedPercent = impact.moved.map(PlanReport.percent)
        connections = impact.connections
        connectionsLeaving = impact.leaving
        connectionsRechosen = impact.rechosen
    }
}

extension PlanReport {
    /// To two digits, but what is not nothing is not shown as nothing.
    fileprivate static func percent(_ share: Double) -> Double {
        let rounded = (share * 10_000).rounded() / 100
        return share > 0 ? max(rounded, 0.01) : 0
    }

    /// Field by field, as a request's body has them.
    fileprivate static func differences(from old: Service, to new: Service) -> [Difference] {
        let (before, after) = (fields(old), fields(new))
        var found: [Difference] = []
        for field in Set(before.keys).union(after.keys).sorted() where field != "backends" {
            let (a, b) = (before[field].map(text), after[field].map(text))
            if a != b { found.append(Difference(field: field, before: a, after: b)) }
        }
        let keys = { (service: Service) in
            Dictionary(uniqueKeysWithValues: service.backends.map { ($0.endpoint, $0) })
        }
        let (then, now) = (keys(old), keys(new))
        for endpoint in Set(then.keys).union(now.keys).sorted() where then[endpoint] != now[endpoint] {
            let (a, b) = (then[endpoint].map(text), now[endpoint].map(text))
            found.append(Difference(field: "backends", before: a, after: b))
        }
        return found
    }

    private static func text(_ backend: Backend) -> String {
        let weight = backend.weight == 1 ? "" : " weight \(backend.weight)"
        return
            "\(backend.endpoint)\(weight)\(backend.configuredState == .active ? "" : " \(backend.configuredState.rawValue)")"
    }

    private static func fields(_ service: Service) -> [String: Any] {
        (try? JSONSerialization.jsonObject(with: JSON.data(ServiceBody(service.request)))) as? [String: Any] ?? [:]
    }

    private static func text(_ value: Any) -> String {
        if let list = value as? [String] { return list.sorted().joined(separator: ",") }
        guard value is [String: Any] || value is [Any],
            let data = try? JSONSerialization.data(withJSONObject: value, options: [.sortedKeys])
        else { return "\(value)" }
        return String(decoding: data, as: UTF8.self)
    }
}

/// What `apply` has done.
public struct ApplyReport: Codable, Hashable, Sendable {
    public var changed: Bool
    public var mode: String
    public var created: Int
    public var replaced: Int
    public var removed: Int
    public var adopted: Int
    public var unchanged: Int
    /// Seconds after which it is taken back without `confirm`; null where it stays.
    @ExplicitNull public var confirmSeconds: Int64?
    public var warnings: [String]

    public init(_ change: StateChange, mode: Mode, confirmSeconds: Int64?, warnings: [String]) {
        changed = !change.isEmpty
        self.mode = mode.rawValue
        (created, replaced) = (change.created.count, change.replaced.count)
        (removed, adopted, unchanged) = (change.removed.count, change.adopted.count, change.unchanged)
        self.confirmSeconds = confirmSeconds
        self.warnings = warnings
    }

    /// `1 created, 2 replaced, 3 removed, 4 taken over, 5 unchanged`
    public var counts: String {
        let changes = [(created, "created"), (replaced, "replaced"), (removed, "removed"), (adopted, "taken over")]
        return (changes.filter { $0.0 > 0 } + [(unchanged, "unchanged")]).map { "\($0.0) \($0.1)" }
            .joined(separator: ", ")
    }
}

public struct ConfirmReport: Codable, Hashable, Sendable {
    public var confirmed = true

    public init() {}
}
