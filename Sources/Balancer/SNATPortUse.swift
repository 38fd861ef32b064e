import Addresses

/// How many of the ports towards one backend living SNAT connections use.
public struct SNATPortUse: Equatable, Sendable {
    public var backend: Endpoint
    public var transport: TransportProtocol
    public var inUse: Int
    /// Ports times the addresses that SNAT sends from.
    public var available: Int

    /// How many are shown.
    public static let most = 10
}

extension FlowSnapshot {
    /// The backends whose ports are the scarcest, fullest first.
    public func snatPortUse(ports: Int, sources: SourceAddresses) -> [SNATPortUse] {
        struct End: Hashable {
            var backend: Endpoint
            var transport: TransportProtocol
        }
        var inUse: [End: Int] = [:]
        for (place, flow) in flows where flow.kind == .reply && !hasEnded(flow, at: place) {
            inUse[End(backend: flow.source, transport: flow.transport), default: 0] += 1
        }
        let uses = inUse.map { end, count in
            SNATPortUse(
                backend: end.backend, transport: end.transport, inUse: count,
                available: ports * sources.snatCount(towards: end.backend.address))
        }
        let sorted = uses.sorted { a, b in
            let (x, y) = (a.inUse * b.available, b.inUse * a.available)
            return x == y ? (a.backend, a.transport) < (b.backend, b.transport) : x > y
        }
        return Array(sorted.prefix(SNATPortUse.most))
    }
}
