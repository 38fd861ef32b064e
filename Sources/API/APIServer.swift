import Foundation

/// The API on a unix socket, until it is stopped.
public struct APIServer: Sendable {
    private let file: SocketFile
    private let inode: ino_t?
    private let server: RunningServer

    /// Time for a request's body to arrive.
    public static let defaultBodyTime = APIResponder.defaultBodyTime

    /// Answers at the file from now on. Where it cannot nothing is left.
    public init(at file: SocketFile, of balancer: any Balancing, bodyTime: Duration = defaultBodyTime)
        async throws(APIError)
    {
        try file.prepare()
        let nursery = try file.makeNursery()
        defer { try? FileManager.default.removeItem(atPath: nursery) }
        do {
            server = try await RunningServer(
                at: .unixDomainSocket(path: "\(nursery)/s"), APIResponder(balancer: balancer, bodyTime: bodyTime))
        } catch {
            throw APIError(.failed, "--socket: cannot listen at \(file.path): \(error)")
        }
        do {
            try file.publish("\(nursery)/s")
        } catch {
            server.cancel()
            throw error
        }
        self.file = file
        inode = file.inode()
    }

    /// Ends it: requests that have begun are answered, if it takes no longer than 5 seconds.
    public func stop() async {
        file.remove(ifStill: inode)
        await server.stop()
    }
}
