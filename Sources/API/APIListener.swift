import HummingbirdCore
import HummingbirdTLS

/// Where the API is to answer over TCP, and how it is protected there; looked at before anything is changed.
public struct ListenPlan: Sendable {
    let address: ListenAddress
    /// Nil: plain HTTP, for this host alone.
    let tls: ShownCertificate?

    /// Reads the files.
    public init(_ address: ListenAddress, _ files: TLSFiles?) throws(APIError) {
        guard files != nil || address.isLoopback else {
            throw APIError(
                .invalid,
                "--listen: \(address) can be reached from elsewhere: give --tls-cert, --tls-key and --tls-client-ca, or listen at 127.0.0.1:\(address.port)"
            )
        }
        self.address = address
        if let files { tls = try ShownCertificate(files) } else { tls = nil }
    }
}

/// The API on a TCP port, until it is stopped: with TLS and clients' certificates, or on loopback plain HTTP.
public struct APIListener: Sendable {
    private let server: RunningServer
    private let tls: ShownCertificate?
    var port: Int? { server.port }

    public init(_ plan: ListenPlan, of balancer: any Balancing) async throws(APIError) {
        tls = plan.tls
        var responder = APIResponder(balancer: balancer)
        responder.refusesBrowsers = plan.tls == nil
        do {
            let builder =
                if let tls = plan.tls {
                    try HTTPServerBuilder.tls(RunningServer.http, tlsConfiguration: tls.configuration)
                } else {
                    RunningServer.http
                }
            server = try await RunningServer(
                at: .hostname(plan.address.host, port: Int(plan.address.port)), responder, builder)
        } catch {
            throw APIError(.failed, "--listen: cannot listen at \(plan.address): \(error)")
        }
    }

    /// Shows new clients what the files of certificate and key hold now; false where there is no TLS. Where they are
    /// wrong, nothing changes.
    public func renewCertificate() throws(APIError) -> Bool {
        try tls?.renew()
        return tls != nil
    }

    /// Ends it: requests that have begun are answered, if it takes no longer than 5 seconds.
    public func stop() async { await server.stop() }
}
