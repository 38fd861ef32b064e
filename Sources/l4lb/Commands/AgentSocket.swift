import API
import Agent
import Logging

extension AgentCommand {
    /// Where the API is to answer: looked at first, so that a path that cannot be used changes nothing.
    func socketFile() throws -> SocketFile? {
        guard let path = socket ?? (noRepl ? SocketFile.defaultPath : nil) else { return nil }
        let file = try SocketFile(path)
        try file.prepare()
        return file
    }

    /// Where it is to answer over TCP, if anywhere, with the files read.
    func listenPlan() throws -> ListenPlan? {
        let files = try TLSFiles(certificate: tlsCert, key: tlsKey, clientCA: tlsClientCa)
        guard let listen else {
            guard files == nil else {
                throw UsageError(description: "--tls-cert: there is no TLS without --listen, such as --listen=:9100")
            }
            return nil
        }
        return try ListenPlan(try ListenAddress(listen), files)
    }

    /// Answers the API; where that cannot be, the agent ends.
    func answerAPI(at file: SocketFile?, _ plan: ListenPlan?, _ agent: LocalAgent) async throws -> Answering {
        var answering = Answering()
        do {
            if let file { answering.socket = try await APIServer(at: file, of: agent) }
            if let plan { answering.listener = try await APIListener(plan, of: agent) }
            return answering
        } catch {
            await answering.stop()
            await agent.balancer.stop()
            throw error
        }
    }
}

/// Where the agent's API answers.
struct Answering {
    var socket: APIServer?
    var listener: APIListener?

    /// At a SIGHUP; false where there is none.
    func renewCertificate(_ log: Logger) -> Bool {
        do throws(APIError) {
            guard try listener?.renewCertificate() == true else { return false }
            log.notice("--tls-cert: read again")
        } catch {
            log.error("\(error.line): the certificate stays what it was")
        }
        return true
    }

    func stop() async {
        await listener?.stop()
        await socket?.stop()
    }
}
