import Balancer
import Foundation
import NIOSSL

/// What the API's TLS is made of: PEM files, by the paths that the user gave.
public struct TLSFiles: Sendable {
    private let certificate, key, clientCA: String

    /// Nil where none is given; the three belong together, so that nobody gets in without a certificate.
    public init?(certificate: String?, key: String?, clientCA: String?) throws(APIError) {
        let given = [("--tls-cert", certificate), ("--tls-key", key), ("--tls-client-ca", clientCA)]
        guard let certificate, let key, let clientCA else {
            guard let one = given.first(where: { $0.1 != nil }), let missing = given.first(where: { $0.1 == nil })
            else { return nil }
            throw APIError(.invalid, "\(missing.0) is missing: \(one.0) wants it too")
        }
        self.certificate = certificate
        self.key = key
        self.clientCA = clientCA
    }

    /// Clients need a certificate of the CA.
    func configuration() throws(APIError) -> TLSConfiguration {
        let chain = try certificates("--tls-cert", certificate)
        let authorities = try certificates("--tls-client-ca", clientCA)
        let keyBytes = try read("--tls-key", key)
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(bytes: keyBytes, format: .pem)
        } catch {
            throw APIError(
                .failed, "--tls-key: \(quoted(key)) holds no private key in PEM, or one with a passphrase",
                mend: "give a key without one")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = .tlsv12
        configuration.trustRoots = .certificates(authorities)
        // A client's name is its CA's affair.
        configuration.certificateVerification = .noHostnameVerification
        configuration.sendCANameList = true
        configuration.applicationProtocols = ["http/1.1"]
        do {
            _ = try NIOSSLContext(configuration: configuration)
        } catch {
            throw APIError(
                .failed, "--tls-key: \(quoted(key)) is not the key of the certificate in \(quoted(certificate))",
                mend: "give the one that it was made with")
        }
        return configuration
    }

    private func certificates(_ flag: String, _ path: String) throws(APIError) -> [NIOSSLCertificate] {
        let bytes = try read(flag, path)
        guard let found = try? NIOSSLCertificate.fromPEMBytes(bytes), !found.isEmpty else {
            throw APIError(.failed, "\(flag): \(quoted(path)) holds no certificate in PEM")
        }
        return found
    }

    /// Bytes of a file at the most.
    private static let limit = 1 << 20

    private func read(_ flag: String, _ path: String) throws(APIError) -> [UInt8] {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw APIError(.failed, "\(flag): cannot read \(quoted(path)): \(String(cString: strerror(errno)))")
        }
        do {
            let data = try handle.read(upToCount: Self.limit) ?? Data()
            return Array(data)
        } catch {
            throw APIError(.failed, "\(flag): cannot read \(quoted(path)): \(error.localizedDescription)")
        }
    }
}
