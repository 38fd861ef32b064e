import Addresses
import CDataplane

/// What the agent's timer has found in the flow tables, so that whoever asks often does not have to read them: a
/// value that stays as it is until the next one, a second later.
public struct Measurement: Sendable {
    /// Seconds from the agent's start to the reading of the flow tables.
    public let uptime: Double
    public let census: FlowCensus
    /// By the backend's place: of connections that are gone and of those in the table.
    private var traffic: [UInt16: Traffic] = [:]

    /// `gone`: read before the flow tables were. What was evicted in between is in neither, so no counter goes below
    /// what `previous` says.
    public init(uptime: Double, gone: [UInt16: l4lb_totals], census: FlowCensus, previous: Self? = nil) {
        self.uptime = uptime
        self.census = census
        traffic.reserveCapacity(gone.count)
        for (index, totals) in gone {
            var sum = Traffic(totals)
            if let use = census.backends[index] { sum += use.traffic }
            traffic[index] = previous.flatMap { $0.traffic[index] }.map(sum.notBelow) ?? sum
        }
    }

    /// The place is another backend's from now on.
    public mutating func forget(_ index: UInt16) { traffic[index] = nil }

    public func traffic(at index: UInt16) -> Traffic { traffic[index] ?? Traffic() }

    /// The backends whose SNAT ports are the scarcest, fullest first. Those on all ports are left out: their ports
    /// are counted for each port, which only the flow table knows.
    public func snatPortUse(_ indices: BackendIndices, ports: Int, sources: SourceAddresses) -> [SNATPortUse] {
        var inUse: [SNATPortUse.End: Int] = [:]
        for (index, use) in census.backends where use.ports > 0 {
            guard let key = indices.key(at: index), key.backend.port != 0 else { continue }
            inUse[.init(backend: key.backend, transport: key.frontend.transport), default: 0] += use.ports
        }
        return SNATPortUse.scarcest(inUse, ports: ports, sources: sources)
    }
}
