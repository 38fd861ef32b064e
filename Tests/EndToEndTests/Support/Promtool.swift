import Foundation

/// Prometheus' own checker.
enum Promtool {
    /// A path, or the name that PATH finds.
    static let path = ProcessInfo.processInfo.environment["PROMTOOL"] ?? "promtool"

    /// What it finds wrong, lints included; nil for nothing.
    static func complaints(_ words: String..., input: String = "") async throws -> String? {
        let finished: Finished
        do {
            finished = try await run([path] + words, input: input)
        } catch {
            throw Failure("promtool is needed, of Debian's package prometheus: give its path as PROMTOOL (\(error))")
        }
        guard finished.status != 0 || !finished.errors.isEmpty else { return nil }
        return finished.output + finished.errors
    }
}
