import Addresses
import AsyncHTTPClient
import Balancer
import Foundation
import NIOCore
import NIOHTTP1

/// An agent that is reached over its socket.
public struct APIClient: Balancing {
    private let file: SocketFile
    private let http: HTTPClient

    /// Longer than any command takes: a compilation, and the wait for link addresses.
    static let answerTime = TimeAmount.seconds(60)
    /// Bytes of an answer at the most.
    static let answerLimit = 1 << 30

    /// `close` has to follow.
    public init(at file: SocketFile) {
        self.file = file
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    public func close() async {
        try? await http.shutdown()
    }

    /// An error where no agent answers.
    public func check() throws(APIError) {
        switch file.silence().why {
        case nil: return
        case .nobody:
            throw APIError(
                .unavailable,
                "no agent answers at \(file.path): start one with l4lb agent --no-repl, or name its socket with --socket"
            )
        case .notAllowed:
            throw APIError(
                .unavailable,
                "you may not use \(file.path): be root, or of the group \(SocketFile.group)")
        case .other(let number):
            throw APIError(.unavailable, "no agent answers at \(file.path): \(String(cString: strerror(number)))")
        }
    }

    public func update(_ request: ServiceRequest) async throws -> ServiceUpdateReport {
        try await ask(.POST, "/v1/services", ServiceBody(request))
    }

    public func services() async throws -> ServiceListReport { try await ask(.GET, "/v1/services") }
    public func serviceIDs() async throws -> [UInt16] { try await services().services.map(\.id) }
    public func service(id: UInt16) async throws -> ServiceReport { try await ask(.GET, "/v1/services/\(id)") }

    public func connections(id: UInt16, limit: Int) async throws -> DumpReport {
        let limit = min(max(limit, Route.connectionLimits.lowerBound), Route.connectionLimits.upperBound)
        return try await ask(.GET, "/v1/services/\(id)/connections?limit=\(limit)")
    }

    public func delete(id: UInt16) async throws -> DeletedReport { try await ask(.DELETE, "/v1/services/\(id)") }
    public func deleteAll() async throws -> DeletedReport { try await ask(.DELETE, "/v1/services") }
    public func backends(_ endpoint: Endpoint?) async throws -> BackendListReport {
        try await ask(.GET, endpoint.map(Route.path(of:)) ?? "/v1/backends")
    }

    public func setState(
        _ state: BackendState?, of backend: Endpoint, service: UInt16?
    ) async throws -> BackendListReport {
        try await ask(.PUT, Route.path(of: backend), BackendStateBody(state ?? .active, service: service))
    }

    public func explain(client: Endpoint, frontend: Frontend) async throws -> ExplainReport {
        try await ask(.GET, Route.path(explaining: client, frontend))
    }

    public func neighbours() async throws -> NeighborListReport { try await ask(.GET, "/v1/neighbors") }
    public func mode() async throws -> ModeReport { try await ask(.GET, "/v1/mode") }

    public func updateMode(_ mode: Mode) async throws -> ModeUpdateReport {
        try await ask(.PUT, "/v1/mode", ModeBody(mode))
    }

    public func plan(_ config: Config) async throws -> PlanReport { try await ask(.POST, "/v1/plan", config) }

    public func apply(_ config: Config, confirmSeconds: Int64?) async throws -> ApplyReport {
        try await ask(.PUT, "/v1/config\(confirmSeconds.map { "?confirm=\($0)" } ?? "")", config)
    }

    public func confirm() async throws -> ConfirmReport { try await ask(.POST, "/v1/config/confirm") }

    public func config() async throws -> Config {
        let (status, data) = try await answer(.GET, "/v1/config", nil)
        guard status == 200 else { throw refusal(.GET, "/v1/config", status, data) }
        return try Config.read(data)
    }

    public func status() async throws -> StatusReport { try await ask(.GET, "/v1/status") }

    public func traffic() async throws -> TrafficReport { try await ask(.GET, "/v1/traffic") }

    public func metrics() async throws -> [UInt8] {
        let (status, data) = try await answer(.GET, "/metrics", nil)
        guard status == 200 else { throw refusal(.GET, "/metrics", status, data) }
        return Array(data)
    }

    public func isReady() async -> Bool {
        let answer: HealthReport? = try? await ask(.GET, "/readyz")
        return answer != nil
    }

    private func ask<Report: Decodable>(
        _ method: HTTPMethod, _ path: String, _ body: (any Encodable & Sendable)? = nil
    ) async throws(APIError) -> Report {
        let (status, data) = try await answer(method, path, body)
        do {
            if (200..<300).contains(status) { return try JSON.report(Report.self, from: data) }
        } catch {
            throw APIError(.failed, "the agent at \(file.path) is of another version: its answer is not understood")
        }
        throw refusal(method, path, status, data)
    }

    private func refusal(_ method: HTTPMethod, _ path: String, _ status: UInt, _ data: Data) -> APIError {
        if let report = try? JSON.report(ErrorReport.self, from: data) { return report.error }
        return APIError(
            .failed, "the agent at \(file.path) answers \(method.rawValue) \(path) with status \(status)")
    }

    private func answer(
        _ method: HTTPMethod, _ path: String, _ body: (any Encodable & Sendable)?
    ) async throws(APIError) -> (status: UInt, data: Data) {
        do {
            guard let url = URL(httpURLWithSocketPath: file.path, uri: path) else {
                throw APIError(.invalid, "--socket: \(quoted(file.path)) cannot be used")
            }
            var request = HTTPClientRequest(url: url.absoluteString)
            request.method = method
            request.headers.add(name: "Host", value: "l4lb")
            if let body {
                request.headers.add(name: "Content-Type", value: "application/json")
                request.body = .bytes(JSON.data(body, .oneLine))
            }
            let response = try await http.execute(request, timeout: Self.answerTime)
            let bytes = try await response.body.collect(upTo: Self.answerLimit)
            return (response.status.code, Data(bytes.readableBytesView))
        } catch let error as APIError {
            throw error
        } catch {
            try check()
            throw APIError(.unavailable, "the agent at \(file.path) did not answer: \(error)")
        }
    }
}
