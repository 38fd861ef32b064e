import NIOSSL
import Synchronization

/// The certificate that clients are shown, with its key: as the files had them when they were read last.
final class ShownCertificate: Sendable {
    private let files: TLSFiles
    private let shown: Shown
    /// Of each connection that begins.
    let configuration: TLSConfiguration

    /// What the callback and this share.
    private final class Shown: Sendable {
        let now: Mutex<NIOSSLContextConfigurationOverride>

        init(_ configuration: TLSConfiguration) {
            now = Mutex(Self.certificate(of: configuration))
        }

        static func certificate(of configuration: TLSConfiguration) -> NIOSSLContextConfigurationOverride {
            var change = NIOSSLContextConfigurationOverride()
            change.certificateChain = configuration.certificateChain
            change.privateKey = configuration.privateKey
            return change
        }
    }

    init(_ files: TLSFiles) throws(APIError) {
        self.files = files
        var configuration = try files.configuration()
        let shown = Shown(configuration)
        configuration.sslContextCallback = { _, promise in promise.succeed(shown.now.withLock { $0 }) }
        self.shown = shown
        self.configuration = configuration
    }

    /// Reads the files again; where they are wrong, what is shown stays. Which clients get in stays in any case.
    func renew() throws(APIError) {
        let fresh = Shown.certificate(of: try files.configuration())
        shown.now.withLock { $0 = fresh }
    }
}
