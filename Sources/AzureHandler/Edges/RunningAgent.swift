import API
import Foundation

/// The agent of l4lb on this VM, by its socket.
enum RunningAgent {
    /// All of it or nothing.
    static func apply(_ config: Data) async throws(HandlerError) {
        do throws(APIError) {
            let config = try Config.read(config)
            _ = try await ask { try await $0.apply(config, confirmSeconds: nil) }
        } catch {
            let isAbout = error.code == .invalid || error.code == .conflict
            throw HandlerError(isAbout ? .settings : .notUp, isAbout ? error.within("publicSettings").line : error.line)
        }
    }

    static func condition() async -> Condition {
        do {
            return try await ask { agent in
                Condition(try await agent.status(), try await agent.services().services)
            }
        } catch {
            return Condition(silent: error.line)
        }
    }

    static func isReady() async -> Bool {
        (try? await ask { await $0.isReady() }) ?? false
    }

    private static func ask<Answer>(
        _ question: (APIClient) async throws -> Answer
    ) async throws(APIError) -> Answer {
        let agent = APIClient(at: try SocketFile(Layout.socket))
        let answer: Result<Answer, any Error>
        do { answer = .success(try await question(agent)) } catch { answer = .failure(error) }
        await agent.close()
        switch answer {
        case .success(let answer): return answer
        case .failure(let error): throw error as? APIError ?? APIError(.failed, "\(error)")
        }
    }
}
