import Addresses
import Balancer

/// What a request asks for, read from its method and path.
enum Route: Hashable {
    case listServices, postService, deleteServices
    case getService(UInt16)
    case putService(UInt16)
    case deleteService(UInt16)
    case connections(UInt16, limit: Int)
    case listBackends
    case getBackend(Endpoint)
    case putBackend(Endpoint)
    case explain(query: String)
    case neighbours
    case getMode, putMode
    case plan
    case getConfig
    /// Taken back after so many seconds unless it is confirmed.
    case putConfig(confirm: Int64?)
    case confirm
    case status
    case traffic, metrics
    case healthy, ready

    /// Connections in one answer, where the request does not say how many.
    static let defaultConnections = 10_000
    /// What it may say: up to the largest flow table.
    static let connectionLimits = 1...1 << 24

    init(method: String, path: String, query: String? = nil) throws(APIError) {
        let routes = try Self.routes(path)
        guard let route = routes.first(where: { $0.method == method })?.route else {
            throw APIError(
                .methodNotAllowed, "\(quoted(method)) is not for \(quoted(path))",
                mend: "use \(Self.methods(routes))")
        }
        switch (route, query) {
        case (.connections(let id, _), let query?):
            self = .connections(id, limit: try Self.number("limit", query, Self.connectionLimits))
        case (.putConfig, let query?):
            self = .putConfig(confirm: Int64(try Self.number("confirm", query, 1...Int(Trial.Time.limit))))
        case (.explain, let query?): self = .explain(query: query)
        default: self = route
        }
    }

    /// `client=IP:PORT&frontend=IP:PORT/tcp`, percent-encoded or not.
    static func explained(_ query: String) throws(APIError) -> (client: Endpoint, frontend: Frontend) {
        var values: [String: String] = [:]
        for item in query.split(separator: "&", maxSplits: 2, omittingEmptySubsequences: true) {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            values[String(parts[0])] = parts.count == 2 ? String(parts[1]).removingPercentEncoding : nil
        }
        guard values.count == 2, let client = values["client"].flatMap(Endpoint.init), !client.isAllPorts,
            let frontend = values["frontend"].flatMap(Frontend.init), !frontend.endpoint.isAllPorts
        else {
            throw APIError(.invalid, "\(quoted(query)) is not client=IP:PORT&frontend=IP:PORT[/tcp|/udp]")
        }
        return (client, frontend)
    }

    static func path(explaining client: Endpoint, _ frontend: Frontend) -> String {
        let texts = [client.description, frontend.description].map {
            $0.replacing("[", with: "%5B").replacing("]", with: "%5D")
        }
        return "/v1/explain?client=\(texts[0])&frontend=\(texts[1])"
    }

    private static func number(
        _ name: String, _ query: String, _ range: ClosedRange<Int>
    ) throws(APIError) -> Int {
        guard query.hasPrefix("\(name)="), let number = Int(query.dropFirst(name.count + 1)), range.contains(number)
        else {
            throw APIError(
                .invalid, "\(quoted(query)) is not \(name)=N, from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// The methods that a path has, as the header Allow lists them.
    static func allowed(path: String) throws(APIError) -> String { methods(try routes(path)) }

    private static func methods(_ routes: [(method: String, route: Self)]) -> String {
        routes.map(\.method).joined(separator: ", ")
    }

    private static func routes(_ path: String) throws(APIError) -> [(method: String, route: Self)] {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        switch parts {
        case ["healthz"]: return [("GET", .healthy)]
        case ["readyz"]: return [("GET", .ready)]
        case ["metrics"]: return [("GET", .metrics)]
        case ["v1", "traffic"]: return [("GET", .traffic)]
        case ["v1", "services"]:
            return [("GET", .listServices), ("POST", .postService), ("DELETE", .deleteServices)]
        case ["v1", "backends"]: return [("GET", .listBackends)]
        case ["v1", "explain"]: return [("GET", .explain(query: ""))]
        case ["v1", "neighbors"]: return [("GET", .neighbours)]
        case ["v1", "mode"]: return [("GET", .getMode), ("PUT", .putMode)]
        case ["v1", "plan"]: return [("POST", .plan)]
        case ["v1", "config"]: return [("GET", .getConfig), ("PUT", .putConfig(confirm: nil))]
        case ["v1", "config", "confirm"]: return [("POST", .confirm)]
        case ["v1", "status"]: return [("GET", .status)]
        default: break
        }
        if parts.count == 3, parts[..<2] == ["v1", "backends"] {
            let backend = try backend(parts[2])
            return [("GET", .getBackend(backend)), ("PUT", .putBackend(backend))]
        }
        guard (3...4).contains(parts.count), parts[..<2] == ["v1", "services"],
            parts.count == 3 || parts[3] == "connections"
        else {
            throw APIError(
                .notFound, "there is no \(quoted(path))",
                mend:
                    "use /v1/services, /v1/backends, /v1/explain, /v1/neighbors, /v1/mode, /v1/config, /v1/plan, /v1/status, /v1/traffic, /metrics, /healthz or /readyz"
            )
        }
        let id = try id(parts[2])
        guard parts.count == 3 else { return [("GET", .connections(id, limit: defaultConnections))] }
        return [("GET", .getService(id)), ("PUT", .putService(id)), ("DELETE", .deleteService(id))]
    }

    /// Brackets and colons may be written as they are, though RFC 3986 has them encoded.
    private static func backend(_ text: String) throws(APIError) -> Endpoint {
        guard let backend = text.removingPercentEncoding.flatMap(Endpoint.init) else {
            throw APIError(.invalid, "the backend \(quoted(text)) is not an IP address and port")
        }
        return backend
    }

    static func path(of backend: Endpoint) -> String {
        "/v1/backends/" + backend.description.replacing("[", with: "%5B").replacing("]", with: "%5D")
    }

    private static func id(_ text: String) throws(APIError) -> UInt16 {
        do {
            return try ServiceRequest.readID(text)
        } catch {
            throw APIError(.invalid, "the service id \(quoted(text)) is not a number from 1 to 65535")
        }
    }
}
