import CDataplane

/// Where a flow lies in the flow table: the packet program's `flow_hash` and `first_set`, over the tuple as a slot
/// holds it. The agent needs it when it frees a slot that lies in its second set.
public struct FlowHash: Sendable {
    private let seed: [UInt64]
    private let setMask: UInt32

    public init(_ config: l4lb_config) {
        let seed = config.flow_seed
        self.seed = [seed.0, seed.1, seed.2, seed.3, seed.4]
        setMask = config.set_mask
    }

    /// Addresses and ports as they lie in memory on a little-endian machine.
    public func firstSet(of slot: l4lb_flow) -> Int {
        let ports = UInt64(slot.source_port) | UInt64(slot.destination_port) << 16
        let words = [1, UInt64(slot.source), UInt64(slot.destination), ports, UInt64(slot.protocol)]
        let sum = zip(seed, words).reduce(0) { $0 &+ $1.0 &* $1.1 }
        var hash = UInt32(truncatingIfNeeded: sum >> 32)
        hash = (hash ^ hash >> 16) &* 0x85eb_ca6b
        return Int((hash ^ hash >> 13) & setMask)
    }
}
