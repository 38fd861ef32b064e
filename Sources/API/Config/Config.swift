import Balancer
import Foundation

/// The desired state as a file or a request's body has it: all services of a file, the mode, and the agent's options.
public struct Config: Codable, Sendable {
    /// The version of the form: 1.
    public var version: Int
    public var mode: String?
    public var agent: AgentSettings?
    var services: [ServiceBody]

    /// Bytes of a file or a body at the most.
    public static let limit = 16 << 20
    static let knownVersion = 1

    enum CodingKeys: String, CodingKey, CaseIterable {
        case version, mode, agent, defaults, services
    }

    /// Where `defaults` are given, they are in the services already.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(CodingKeys.self)
        version = try fields.number(.version) ?? fields.decode(Int.self, forKey: .version)
        mode = try fields.decodeIfPresent(String.self, forKey: .mode)
        agent = try fields.decodeIfPresent(AgentSettings.self, forKey: .agent)
        services = try fields.decode([ServiceBody].self, forKey: .services)
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(version, forKey: .version)
        try fields.encodeIfPresent(mode, forKey: .mode)
        try fields.encodeIfPresent(agent, forKey: .agent)
        try fields.encode(services, forKey: .services)
    }

    /// What is running, services of all origins.
    public init(_ state: DesiredState, agent: AgentSettings?) {
        version = Self.knownVersion
        mode = state.mode.rawValue
        self.agent = agent
        services = state.sortedServices.map { ServiceBody($0.request) }
    }

    public init(_ declared: DeclaredState) {
        version = Self.knownVersion
        mode = declared.mode?.rawValue
        services = declared.services.map(ServiceBody.init)
    }

    /// What it declares, each field checked; an error names the field's path.
    public func declared() throws(APIError) -> DeclaredState {
        guard version == Self.knownVersion else {
            throw APIError(
                .invalid, field: "version", "\(version) is not \(Self.knownVersion), the version of this form")
        }
        let mode = try mode.map { text throws(APIError) in try ModeBody(text).value() }
        var requests: [ServiceRequest] = []
        requests.reserveCapacity(services.count)
        for (place, service) in services.enumerated() {
            do throws(APIError) {
                requests.append(try service.placedRequest())
            } catch {
                throw error.within("services[\(place)]")
            }
        }
        return DeclaredState(mode: mode, services: requests)
    }
}

extension Config {
    /// Reads JSON.
    public static func read(_ data: Data) throws(APIError) -> Config {
        // Most have none, and need not be taken apart.
        guard data.range(of: Data(#""defaults""#.utf8)) != nil,
            let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else { return try APIError.read(Config.self, from: data) }
        return try read(object)
    }

    /// Reads what JSON can be written of, with the defaults put into the services.
    public static func read(_ object: [String: Any]) throws(APIError) -> Config {
        var object = object
        if let defaults = object["defaults"], !(defaults is NSNull) {
            let own = try check(defaults)
            if let services = object["services"] as? [Any] {
                object["services"] = services.map { service in
                    (service as? [String: Any]).map { $0.merging(own) { own, _ in own } } ?? service
                }
            }
        }
        guard let data = try? JSONSerialization.data(withJSONObject: object) else {
            throw APIError(.invalid, "the file holds what JSON cannot")
        }
        return try APIError.read(Config.self, from: data)
    }

    /// Of what a service has, all but what tells it from others can have a default.
    private static func check(_ defaults: Any) throws(APIError) -> [String: Any] {
        guard let fields = defaults as? [String: Any] else {
            throw APIError(.invalid, field: "defaults", "is not an object", separator: " ")
        }
        let own: [ServiceBody.CodingKeys] = [.id, .frontend, .backends]
        if let field = own.map(\.stringValue).first(where: { fields[$0] != nil }) {
            throw APIError(.invalid, field: "defaults.\(field)", "is each service's own: give it there", separator: " ")
        }
        // A service that has nothing else, so that they are checked where no service takes them (RFC 5737).
        let filler: [String: Any] = ["frontend": "192.0.2.1:80", "backends": [["backend": "192.0.2.2:80"]]]
        guard let data = try? JSONSerialization.data(withJSONObject: fields.merging(filler) { $1 }) else {
            throw APIError(.invalid, field: "defaults", "holds what JSON cannot", separator: " ")
        }
        do {
            _ = try APIError.read(ServiceBody.self, from: data).placedRequest()
        } catch {
            throw error.within("defaults")
        }
        return fields
    }
}
