import Addresses
import Balancer
import Foundation

/// Where the API answers over TCP: `127.0.0.1:9100`, `[::1]:9100`, or `:9100` for all addresses of the host.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// 1 to 65535; in this module's tests 0, which is any.
    let port: UInt16
    /// Nil: all addresses, of both families where there is IPv6.
    let address: IPAddress?

    public init(_ text: String) throws(APIError) {
        if text.hasPrefix(":"), let all = Endpoint("0.0.0.0\(text)"), !all.isAllPorts {
            self.init(port: all.port, address: nil)
        } else if let endpoint = Endpoint(text), !endpoint.isAllPorts {
            self.init(port: endpoint.port, address: endpoint.address)
        } else {
            throw APIError(
                .invalid,
                "--listen: \(quoted(text)) is not an IP address and port, such as 127.0.0.1:9100, [::1]:9100 or :9100")
        }
    }

    init(port: UInt16, address: IPAddress?) {
        self.port = port
        self.address = address
    }

    public var description: String { address.map { Endpoint($0, port: port).description } ?? ":\(port)" }

    /// Only processes of this host get there.
    public var isLoopback: Bool {
        switch address {
        case .v4(let address): address.isLoopback
        case .v6(let address): address.isLoopback
        case nil: false
        }
    }

    /// The address to bind to. A socket of :: takes IPv4 as well.
    var host: String {
        if let address { return address.description }
        return FileManager.default.fileExists(atPath: "/proc/net/if_inet6") ? "::" : "0.0.0.0"
    }
}
