import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

/// The API on a unix socket, until it is stopped.
public struct APIServer: Sendable {
    private let file: SocketFile
    private let inode: ino_t?
    private let services: ServiceGroup
    private let task: Task<Void, any Error>

    /// Connections at a time; more wait until one ends.
    static let connectionLimit = 64
    /// Time for a request's head to arrive, and for the next one of a connection.
    static let idleTime = TimeAmount.seconds(30)
    /// Bytes and lines of a request's head.
    static let headLimits = HTTP1Channel.Configuration.DecoderConfiguration(
        maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100)
    /// Time for a request's body to arrive.
    public static let defaultBodyTime = APIResponder.defaultBodyTime
    /// Time for what has begun to end when the server is stopped.
    static let stopTime = Duration.seconds(5)

    /// Answers at the file from now on. Where it cannot nothing is left.
    public init(at file: SocketFile, of balancer: any Balancing, bodyTime: Duration = defaultBodyTime)
        async throws(APIError)
    {
        try file.prepare()
        let nursery = try file.makeNursery()
        defer { try? FileManager.default.removeItem(atPath: nursery) }
        // What goes wrong with a client is told to the client.
        let quiet = Logger(label: "l4lb.api") { _ in SwiftLogNoOpLogHandler() }
        let (running, isRunning) = AsyncStream.makeStream(of: Void.self)
        let application = Application(
            responder: APIResponder(balancer: balancer, bodyTime: bodyTime),
            server: .http1(
                configuration: .init(idleTimeout: Self.idleTime, httpDecoderConfiguration: Self.headLimits)),
            configuration: .init(
                address: .unixDomainSocket(path: "\(nursery)/s"),
                availableConnectionsDelegate: .maximum(Self.connectionLimit, logger: quiet)),
            onServerRunning: { _ in isRunning.yield() }, logger: quiet)
        let services = ServiceGroup(services: [application], logger: quiet)
        let task = Task {
            defer { isRunning.finish() }
            try await services.run()
        }
        var runs = false
        for await _ in running {
            runs = true
            break
        }
        do {
            if !runs { try await task.value }
            try file.publish("\(nursery)/s")
        } catch {
            task.cancel()
            throw (error as? APIError) ?? APIError(.failed, "--socket: cannot listen at \(file.path): \(error)")
        }
        self.file = file
        self.services = services
        self.task = task
        inode = file.inode()
    }

    /// Ends it: requests that have begun are answered, if it takes no longer than 5 seconds.
    public func stop() async {
        file.remove(ifStill: inode)
        await services.triggerGracefulShutdown()
        let deadline = Task {
            try await Task.sleep(for: Self.stopTime)
            task.cancel()
        }
        _ = await task.result
        deadline.cancel()
    }
}
