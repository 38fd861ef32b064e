import Balancer
import Foundation
import Testing

@testable import API

/// docs/openapi.yaml, in so far as lines of its paths tell it.
struct Document {
    struct Operation: Hashable {
        var method: String
        var path: String
    }

    var statuses: [Operation: Set<Int>] = [:]

    init() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/openapi.yaml")
        var isPaths = false
        var operation = Operation(method: "", path: "")
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let depth = line.prefix { $0 == " " }.count
            let word = line.dropFirst(depth).prefix { $0 != ":" }
            switch depth {
            case 0: isPaths = word == "paths"
            case 2 where isPaths: operation.path = String(word)
            case 4 where isPaths && word != "parameters": operation.method = word.uppercased()
            case 8 where isPaths && word.hasPrefix("\""):
                statuses[operation, default: []].insert(try #require(Int(word.dropFirst().dropLast())))
            default: break
            }
        }
    }
}

@Suite struct DocumentTests {
    private static let service = #"{"frontend": "40.1.1.9:80", "backends": [{"backend": "20.1.1.10:80"}]}"#
    private static let existing = #"{"frontend": "40.1.1.1:80", "backends": [{"backend": "20.1.1.10:80"}]}"#

    private static func config(_ service: String) -> String { #"{"version": 1, "services": [\#(service)]}"# }

    /// A request that gets a status where the others do not say it: the path's id is 1, and there is such a service.
    private static let requests: [Document.Operation: [Int: (path: String, body: String?)]] = [
        .init(method: "POST", path: "/v1/services"): [
            200: ("/v1/services", existing), 201: ("/v1/services", service), 400: ("/v1/services", "{}"),
            409: ("/v1/services", #"{"id": 2, "frontend": "40.1.1.1:80", "backends": [{"backend": "20.1.1.10:80"}]}"#),
        ],
        .init(method: "PUT", path: "/v1/services/{id}"): [
            200: ("/v1/services/1", existing), 201: ("/v1/services/2", service),
            400: (
                "/v1/services/2", #"{"id": 3, "frontend": "40.1.1.9:80", "backends": [{"backend": "20.1.1.10:80"}]}"#
            ),
            409: ("/v1/services/1", service),
        ],
        .init(method: "GET", path: "/v1/services/{id}"): [400: ("/v1/services/0", nil), 404: ("/v1/services/9", nil)],
        .init(method: "DELETE", path: "/v1/services/{id}"): [
            400: ("/v1/services/x", nil), 404: ("/v1/services/9", nil), 409: ("/v1/services/7", nil),
        ],
        .init(method: "GET", path: "/v1/services/{id}/connections"): [
            400: ("/v1/services/65536/connections", nil), 404: ("/v1/services/9/connections", nil),
        ],
        .init(method: "GET", path: "/v1/backends/{backend}"): [
            400: ("/v1/backends/20.1.1.10", nil), 404: ("/v1/backends/20.1.1.99:80", nil),
        ],
        .init(method: "PUT", path: "/v1/backends/{backend}"): [
            200: ("/v1/backends/20.1.1.10:80", #"{"state": "draining", "service": 1}"#),
            400: ("/v1/backends/20.1.1.10:80", #"{"state": "down"}"#),
            404: ("/v1/backends/20.1.1.10:80", #"{"state": "active", "service": 9}"#),
        ],
        .init(method: "GET", path: "/v1/explain"): [
            200: ("/v1/explain?client=10.0.0.1:1024&frontend=40.1.1.1:80", nil), 400: ("/v1/explain?client=x", nil),
            500: ("/v1/explain?client=10.0.0.1:1024&frontend=40.1.1.1:80/tcp", nil),
            503: ("/v1/explain?frontend=%5B2001:db8::1%5D:53/udp&client=10.0.0.1:1024", nil),
        ],
        .init(method: "POST", path: "/v1/plan"): [
            200: ("/v1/plan", config(service)), 400: ("/v1/plan", config(#"{"frontend": "x", "backends": []}"#)),
            409: ("/v1/plan", config(existing)),
        ],
        .init(method: "PUT", path: "/v1/config"): [
            200: ("/v1/config?confirm=60", config(service)), 400: ("/v1/config?confirm=0", config(service)),
            409: ("/v1/config", config(existing)),
        ],
        .init(method: "PUT", path: "/v1/mode"): [
            200: ("/v1/mode", #"{"mode": "dsr"}"#), 400: ("/v1/mode", #"{"mode": "nat"}"#),
            409: ("/v1/mode", #"{"mode": "snat"}"#),
        ],
    ]

    @Test("every path and status of the document is answered, and errors say what is wrong")
    func answers() async throws {
        for (operation, statuses) in try Document().statuses {
            for status in statuses {
                try await withServer(bodyTime: .milliseconds(300)) { file, balancer in
                    let answer = try await ask(operation, for: status, file, balancer)
                    #expect(answer.status == status, "\(operation) \(status)")
                    let type =
                        operation.path == "/metrics" && status == 200 ? Exposition.contentType : "application/json"
                    #expect(answer.headers["content-type"] == type)
                    if status >= 400 {
                        let error = try #require(answer.error, "\(operation) \(status)")
                        #expect(error.code.status == status && !error.message.isEmpty)
                    } else if ["POST", "PUT"].contains(operation.method), operation.path.hasPrefix("/v1/services") {
                        #expect(answer.headers["location"]?.hasPrefix("/v1/services/") == true)
                    }
                }
            }
        }
    }

    private func ask(
        _ operation: Document.Operation, for status: Int, _ file: SocketFile, _ balancer: MemoryBalancer
    ) async throws -> Answer {
        let (method, path) = (operation.method, Self.path(operation.path))
        let (known, body) = (Self.requests[operation]?[status], Self.requests[operation]?[200]?.body)
        switch status {
        case 500: await balancer.fail(with: APIError(.failed, "clang failed"))
        case 503:
            await balancer.fail(with: APIError(.unavailable, "it ends"))
            await balancer.setReady(false)
        case 409: try await balancer.addForeign()
        case 408: return try await exchange(file, method, path, headers: ["Content-Length: 10"])
        case 413:
            let limit = ["/v1/plan", "/v1/config"].contains(path) ? Config.limit : APIResponder.bodyLimit
            return try await exchange(file, method, path, headers: ["Content-Length: \(limit + 1)"])
        case 200 where path == "/v1/config/confirm":
            _ = try await balancer.apply(Config.read(Data(Self.config(Self.service).utf8)), confirmSeconds: 60)
        default: break
        }
        return try await exchange(file, method, known?.path ?? path, body: known?.body ?? body)
    }

    /// With a service and a backend that there are.
    private static func path(_ template: String) -> String {
        template.replacing("{id}", with: "1").replacing("{backend}", with: "20.1.1.10:80")
    }

    @Test("the server has no path and no method that the document has not")
    func nothingElse() async throws {
        let document = try Document()
        let paths = Set(document.statuses.keys.map(\.path))
        #expect(document.statuses.count == 23 && paths.count == 16)
        try await withServer { file, _ in
            for path in paths {
                let documented = document.statuses.keys.filter { $0.path == path }.map(\.method)
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
                where !documented.contains(method) {
                    let answer = try await exchange(file, method, Self.path(path))
                    #expect(answer.status == 405, "\(method) \(path)")
                    let allowed = answer.headers["allow"]?.components(separatedBy: ", ") ?? []
                    #expect(Set(allowed) == Set(documented), "\(method) \(path)")
                }
            }
            #expect(try await exchange(file, "GET", "/v1").error?.code == .notFound)
        }
    }
}
