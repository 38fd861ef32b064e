/// The ports that SNAT may use: they must not meet those of the host's own sockets.
public struct SNATPorts: Equatable, Sendable {
    /// Ascending.
    public let ports: [UInt16]

    /// Fewer would be used up too soon.
    public static let fewest = 1000

    /// All ports of `allowed` that the kernel does not hand out (`ip_local_port_range`) and that
    /// nobody has reserved (`ip_local_reserved_ports`).
    public init(
        allowed: ClosedRange<UInt16> = 1024...65535, ephemeral: ClosedRange<UInt16>?, reserved: [ClosedRange<UInt16>]
    ) throws(BalancerError) {
        let taken = reserved + (ephemeral.map { [$0] } ?? [])
        ports = allowed.filter { port in !taken.contains { $0.contains(port) } }
        guard ports.count >= Self.fewest else {
            throw .refused(
                "only \(ports.count) ports are left for SNAT, \(Self.fewest) are the fewest: narrow net.ipv4.ip_local_port_range, or give --snat-port-range"
            )
        }
    }

    /// As the map snat_ports holds them, filled up with zeros.
    public var networkOrder: [UInt16] {
        ports.map(\.networkOrder) + Array(repeating: 0, count: 65_536 - ports.count)
    }

    /// The kernel's list form, such as `8080,9100-9200`.
    public static func ranges(_ text: some StringProtocol) -> [ClosedRange<UInt16>] {
        text.split { $0 == "," || $0.isWhitespace }.compactMap { item in
            let parts = item.split(separator: "-", omittingEmptySubsequences: false)
            let ends = parts.compactMap { $0.first == "+" ? nil : UInt16($0) }
            guard ends.count == parts.count, ends.count <= 2, ends[0] <= ends[ends.count - 1] else { return nil }
            return ends[0]...ends[ends.count - 1]
        }
    }
}
