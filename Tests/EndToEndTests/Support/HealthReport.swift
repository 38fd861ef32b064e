import Foundation

/// What `service get -o json` prints about health.
struct HealthReport: Decodable {
    struct Backend: Decodable {
        var backend, health: String
        var healthReason: String?
    }

    var usableBackends: Int
    var panic: Bool
    var backends: [Backend]

    var health: [String] { backends.map(\.health) }
}

extension Prompt {
    func health(_ id: Int = 1) async throws -> HealthReport {
        // What happened meanwhile is told behind the answer.
        let lines = try await run("service get --id \(id) -o json").split(separator: "\n")
        let end = lines.firstIndex(of: "}") ?? lines.count - 1
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(HealthReport.self, from: Data(lines[...end].joined(separator: "\n").utf8))
    }

    /// Waits until the backends' health is this, in the service's order.
    func healthIs(_ expected: [String], _ id: Int = 1) async throws {
        var last: HealthReport?
        do {
            try await eventually("the backends of service \(id) are \(expected)", within: .seconds(20)) {
                last = try await health(id)
                return last?.health == expected
            }
        } catch {
            throw Failure("\(error): \(String(describing: last))")
        }
    }
}
