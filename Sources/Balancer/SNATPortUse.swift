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

    /// What ports are counted for.
    struct End: Hashable {
        var backend: Endpoint
        var transport: TransportProtocol
    }

    /// Fullest first. `ports`: those that SNAT has from one address.
    static func scarcest(_ inUse: [End: Int], ports: Int, sources: SourceAddresses) -> [Self] {
        let uses = inUse.map { end, count in
            Self(
                backend: end.backend, transport: end.transport, inUse: count,
                available: ports * sources.snatCount(towards: end.backend.address))
        }
        let sorted = uses.sorted { a, b in
            let (x, y) = (a.inUse * b.available, b.inUse * a.available)
            return x == y ? (a.backend, a.transport) < (b.backend, b.transport) : x > y
        }
        return Array(sorted.prefix(most))
    }
}

extension FlowSnapshot {
    /// The backends whose ports are the scarcest, fullest first.
    public func snatPortUse(ports: Int, sources: SourceAddresses) -> [SNATPortUse] {
        var inUse: [SNATPortUse.End: Int] = [:]
        for (place, flow) in flows where flow.kind == .reply && !hasEnded(flow, at: place) {
            inUse[.init(backend: flow.source, transport: flow.transport), default: 0] += 1
        }
        return SNATPortUse.scarcest(inUse, ports: ports, sources: sources)
    }
}
