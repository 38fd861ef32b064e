/// An address and a port, written `20.1.1.10:80` or `[2001:db8::1]:80`, or all ports, `20.1.1.10:*`.
public struct Endpoint: Hashable, Comparable, Sendable {
    public var address: IPAddress
    /// 1 to 65535, host byte order; 0: all ports.
    public var port: UInt16

    public init(_ address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    public var isAllPorts: Bool { port == 0 }

    public static func < (a: Self, b: Self) -> Bool { (a.address, a.port) < (b.address, b.port) }
}

extension Endpoint: LosslessStringConvertible {
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let written = text[text.index(after: colon)...]
        guard let port = written == "*" ? 0 : UInt16(decimal: written.utf8), port > 0 || written == "*" else {
            return nil
        }
        let host = text[..<colon]
        if host.first == "[", host.last == "]" {
            guard let address = IPv6Address(String(host.dropFirst().dropLast())) else { return nil }
            self.init(.v6(address), port: port)
        } else {
            guard let address = IPv4Address(String(host)) else { return nil }
            self.init(.v4(address), port: port)
        }
    }

    public var description: String {
        let port = isAllPorts ? "*" : "\(port)"
        return switch address {
        case .v4(let address): "\(address):\(port)"
        case .v6(let address): "[\(address)]:\(port)"
        }
    }
}
