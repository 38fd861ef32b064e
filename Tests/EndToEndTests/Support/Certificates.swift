import Foundation

/// Certificates that openssl has made, in a folder: two CAs, a server's and two clients'.
struct Certificates {
    let folder: String

    /// `address`: the server's.
    init(in parent: String, address: String) async throws {
        folder = "\(parent)/tls-\(UUID().uuidString.prefix(8))"
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        try await shell(
            """
            mkdir \(folder)
            cd \(folder)
            exec 2>log
            for ca in ca other; do
                openssl req -x509 \(key) -days 2 -subj "/CN=$ca" -keyout $ca.key -out $ca.pem
            done
            sign() {
                openssl req \(key) -subj "/CN=$1" -keyout $1.key -out $1.csr
                printf '%s\\n' "$3" >$1.ext
                openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -days 2 -extfile $1.ext -out $1.pem
            }
            sign server ca 'subjectAltName=IP:\(address)'
            sign client ca 'extendedKeyUsage=clientAuth'
            sign stranger other 'extendedKeyUsage=clientAuth'
            openssl ec -in server.key -aes256 -passout pass:secret -out locked.key
            printf 'not a certificate\\n' >text
            """)
    }

    /// Another certificate and key of the server, of the same CA.
    func renew(address: String) async throws {
        try await shell(
            """
            cd \(folder)
            exec 2>>log
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout server.key \
                -out server.csr
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext \
                -out server.pem
            """)
    }

    subscript(name: String) -> String { "\(folder)/\(name)" }

    /// The agent's flags.
    func flags(cert: String = "server.pem", key: String = "server.key", ca: String = "ca.pem") -> [String] {
        ["--tls-cert=\(self[cert])", "--tls-key=\(self[key])", "--tls-client-ca=\(self[ca])"]
    }
}
