import API
import Agent

extension AgentCommand {
    /// Where the API is to answer: looked at first, so that a path that cannot be used changes nothing.
    func socketFile() throws -> SocketFile? {
        guard let path = socket ?? (noRepl ? SocketFile.defaultPath : nil) else { return nil }
        let file = try SocketFile(path)
        try file.prepare()
        return file
    }

    /// Answers the API; where that cannot be, the agent ends.
    func answerAPI(at file: SocketFile?, _ agent: LocalAgent) async throws -> APIServer? {
        guard let file else { return nil }
        do {
            return try await APIServer(at: file, of: agent)
        } catch {
            await agent.balancer.stop()
            throw error
        }
    }
}
