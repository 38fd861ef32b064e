import Addresses

/// A socket that is bound to a port of this host, as /proc/net/tcp, tcp6, udp and udp6 list them.
struct LocalSocket: Hashable, Sendable {
    var address: IPAddress
    /// Host byte order.
    var port: UInt16

    /// Lines of a list that are read.
    static let limit = 1 << 20

    init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Those of one list; lines that are none are passed over.
    static func all(in list: String) -> [LocalSocket] {
        list.split(separator: "\n").prefix(limit).compactMap { LocalSocket($0) }
    }

    /// A line: `0: 0100007F:1F90 00000000:0000 0A …`, the address in words of the host's byte order.
    private init?(_ line: Substring) {
        let fields = line.split(separator: " ", maxSplits: 4)
        guard fields.count == 5, let colon = fields[1].firstIndex(of: ":"),
            let port = UInt16(fields[1][fields[1].index(after: colon)...], radix: 16), port > 0,
            // In TIME_WAIT (06) it is no process's socket any more.
            fields[3] != "06"
        else { return nil }
        let digits = Array(fields[1][..<colon])
        let words = stride(from: 0, to: digits.count, by: 8).compactMap {
            UInt32(String(digits[$0..<min($0 + 8, digits.count)]), radix: 16).map { UInt32(bigEndian: $0) }
        }
        switch (digits.count, words.count) {
        case (8, 1): address = .v4(IPv4Address(value: words[0]))
        case (32, 4):
            address = .v6(
                IPv6Address(
                    high: UInt64(words[0]) << 32 | UInt64(words[1]), low: UInt64(words[2]) << 32 | UInt64(words[3])))
        default: return nil
        }
        self.port = port
    }
}

extension IPAddress {
    var isLoopback: Bool {
        switch self {
        case .v4(let address): address.isLoopback
        case .v6(let address): address.isLoopback
        }
    }
}
