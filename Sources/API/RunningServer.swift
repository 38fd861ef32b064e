import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

/// An HTTP server that answers, with the bounds that all have, until it is stopped.
struct RunningServer: Sendable {
    private let services: ServiceGroup
    private let task: Task<Void, any Error>
    /// The TCP port; nil where it has none.
    let port: Int?

    /// Connections at a time; more wait until one ends.
    static let connectionLimit = 64
    /// Time for a request's head to arrive, and for the next one of a connection.
    static let idleTime = TimeAmount.seconds(30)
    /// Bytes and lines of a request's head.
    static let headLimits = HTTP1Channel.Configuration.DecoderConfiguration(
        maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100)
    /// Time for what has begun to end when the server is stopped.
    static let stopTime = Duration.seconds(5)

    static var http: HTTPServerBuilder {
        .http1(configuration: .init(idleTimeout: idleTime, httpDecoderConfiguration: headLimits))
    }

    /// Returns when it answers.
    init(at address: BindAddress, _ responder: APIResponder, _ builder: HTTPServerBuilder = http) async throws {
        // What goes wrong with a client is told to the client.
        let quiet = Logger(label: "l4lb.api") { _ in SwiftLogNoOpLogHandler() }
        let (running, isRunning) = AsyncStream.makeStream(of: Int?.self)
        let application = Application(
            responder: responder, server: builder,
            configuration: .init(
                address: address,
                availableConnectionsDelegate: .maximum(Self.connectionLimit, logger: quiet)),
            onServerRunning: { isRunning.yield($0.localAddress?.port) }, logger: quiet)
        let services = ServiceGroup(services: [application], logger: quiet)
        let task = Task {
            defer { isRunning.finish() }
            try await services.run()
        }
        var port: Int??
        for await found in running {
            port = .some(found)
            break
        }
        if port == nil { try await task.value }
        self.port = port ?? nil
        self.services = services
        self.task = task
    }

    /// Ends it: requests that have begun are answered, if it takes no longer than 5 seconds.
    func stop() async {
        await services.triggerGracefulShutdown()
        let deadline = Task {
            try await Task.sleep(for: Self.stopTime)
            task.cancel()
        }
        _ = await task.result
        deadline.cancel()
    }

    /// Ends it now: nobody has been served yet.
    func cancel() { task.cancel() }
}
