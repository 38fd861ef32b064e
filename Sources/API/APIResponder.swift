import Balancer
import Foundation
import Hummingbird
import NIOCore
import NIOHTTP1

/// Answers requests by what the balancer says.
struct APIResponder: HTTPResponder {
    /// What a request came by.
    struct Context: RequestContext {
        var coreContext: CoreRequestContextStorage
        let channel: any Channel

        init(source: ApplicationRequestContextSource) {
            coreContext = .init(source: source)
            channel = source.channel
        }
    }

    let balancer: any Balancing
    /// Time for a request's body to arrive.
    var bodyTime = defaultBodyTime
    /// Over TCP without TLS.
    var refusesBrowsers = false

    /// Bytes of a request's body at the most, but for a whole state.
    static let bodyLimit = 1 << 20
    static let defaultBodyTime = Duration.seconds(10)

    /// Each error is an answer, but for bytes that are no HTTP: the server answers those itself.
    func respond(to request: Request, context: Context) async throws -> Response {
        do {
            return try await answer(request)
        } catch let error as HTTPParserError {
            throw error
        } catch {
            let error = APIError(error)
            var response = Self.json(ErrorReport(error: error), status: error.code.status)
            if error.code == .methodNotAllowed {
                response.headers[.allow] = try? Route.allowed(path: request.uri.path)
            }
            // The rest of such a body is not waited for.
            if [.tooLarge, .tooSlow].contains(error.code) {
                response.headers[.connection] = "close"
                let channel = context.channel
                channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
            }
            return response
        }
    }

    private func answer(_ request: Request) async throws -> Response {
        if refusesBrowsers {
            try BrowserGuard.check(host: request.head.authority, origin: request.headers[.origin])
        }
        let route = try Route(method: request.method.rawValue, path: request.uri.path, query: request.uri.query)
        let body =
            switch route {
            case .postService, .putService, .putBackend, .putMode: try await body(of: request)
            case .plan, .putConfig: try await body(of: request, limit: Config.limit)
            default: Data()
            }
        let balancer = balancer
        // A change that has begun comes to its end, whoever goes away meanwhile.
        return try await Task { try await Self.carryOut(route, body, balancer) }.value
    }

    private static func carryOut(_ route: Route, _ body: Data, _ balancer: any Balancing) async throws -> Response {
        switch route {
        case .listServices: return json(try await balancer.services())
        case .postService:
            return updated(try await balancer.update(try APIError.read(ServiceBody.self, from: body).request()))
        case .deleteServices: return json(try await balancer.deleteAll())
        case .getService(let id): return json(try await balancer.service(id: id))
        case .putService(let id):
            var request = try APIError.read(ServiceBody.self, from: body).request()
            guard request.id ?? id == id else {
                throw APIError(.invalid, "id: \(request.id ?? 0) is not the path's \(id)", mend: "leave it out")
            }
            request.id = id
            return updated(try await balancer.update(request))
        case .deleteService(let id): return json(try await balancer.delete(id: id))
        case .connections(let id, let limit):
            return json(try await balancer.connections(id: id, limit: limit))
        case .listBackends: return json(try await balancer.backends(nil))
        case .getBackend(let backend): return json(try await balancer.backends(backend))
        case .putBackend(let backend):
            let wanted = try APIError.read(BackendStateBody.self, from: body)
            return json(try await balancer.setState(try wanted.value(), of: backend, service: try wanted.id()))
        case .explain(let query):
            let (client, frontend) = try Route.explained(query)
            return json(try await balancer.explain(client: client, frontend: frontend))
        case .neighbours: return json(try await balancer.neighbours())
        case .getMode: return json(try await balancer.mode())
        case .putMode: return json(try await balancer.updateMode(try APIError.read(ModeBody.self, from: body).value()))
        case .plan: return json(try await balancer.plan(try Config.read(body)))
        case .getConfig: return json(try await balancer.config())
        case .putConfig(let seconds):
            return json(try await balancer.apply(try Config.read(body), confirmSeconds: seconds))
        case .confirm: return json(try await balancer.confirm())
        case .status: return json(try await balancer.status())
        case .traffic: return json(try await balancer.traffic())
        case .metrics:
            return Response(
                status: .ok, headers: [.contentType: Exposition.contentType],
                body: .init(byteBuffer: ByteBuffer(bytes: try await balancer.metrics())))
        case .healthy: return json(HealthReport(status: "healthy"))
        case .ready:
            guard await balancer.isReady() else { throw APIError(.unavailable, "no packets are balanced") }
            return json(HealthReport(status: "ready"))
        }
    }

    private func body(of request: Request, limit: Int = bodyLimit) async throws -> Data {
        let tooLarge = APIError(.tooLarge, "the body is larger than \(limit) bytes")
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit { throw tooLarge }
        let body = request.body
        return try await withThrowingTaskGroup(of: Data.self) { group in
            group.addTask {
                var data = Data()
                for try await chunk in body {
                    data.append(contentsOf: chunk.readableBytesView)
                    guard data.count <= limit else { throw tooLarge }
                }
                return data
            }
            group.addTask { [bodyTime] in
                try await Task.sleep(for: bodyTime)
                throw APIError(.tooSlow, "the body did not arrive within \(bodyTime.components.seconds) seconds")
            }
            defer { group.cancelAll() }
            return try await group.next() ?? Data()
        }
    }

    private static func updated(_ report: ServiceUpdateReport) -> Response {
        var response = json(report, status: report.result == .created ? 201 : 200)
        response.headers[.location] = "/v1/services/\(report.id)"
        return response
    }

    /// The bytes that `-o json` prints.
    private static func json(_ value: some Encodable, status: Int = 200) -> Response {
        Response(
            status: .init(code: status), headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(string: JSON.text(value) + "\n")))
    }
}

struct HealthReport: Codable {
    var status: String
}
