import BPF
import Balancer
import CDataplane

/// A slot of a flow table: what both families have in common comes first.
protocol FlowSlot {
    var common: l4lb_flow { get }
    /// Nil where it is free or being written.
    var decoded: Flow? { get }
}

extension l4lb_flow: FlowSlot {
    var common: l4lb_flow { self }
    var decoded: Flow? { Flow(self) }
}

extension l4lb_flow6: FlowSlot {
    var common: l4lb_flow { flow }
    var decoded: Flow? { Flow(self) }
}

/// The flow table of one family in this process's memory.
final class FlowTable<Slot: FlowSlot & BitwiseCopyable> {
    private let flows: MappedArray<Slot>
    private let occupancy: MappedArray<l4lb_occupancy>
    private let spills: MappedArray<l4lb_spills>
    private let sets: Int
    private let hash: FlowHash

    private static var setSlots: Int { Int(L4LB_SET_SLOTS) }
    private static var occupancySets: Int { Int(L4LB_OCCUPANCY_SETS) }

    init(flows: BPFMap, occupancy: BPFMap, spills: BPFMap, sets: Int, hash: FlowHash) throws(BPFError) {
        self.sets = sets
        self.hash = hash
        self.spills = try MappedArray(spills, elements: sets / Self.occupancySets)
        self.flows = try MappedArray(flows, elements: sets * Self.setSlots)
        self.occupancy = try MappedArray(occupancy, elements: sets / Self.occupancySets)
    }

    /// All flows. Sets that hold nothing are passed over by their occupancy byte; it is cleared
    /// before the set is read and set again where something is found, and the program sets it after
    /// it has published a slot, so that none is ever missed.
    func read() -> [UInt32: Flow] {
        var found: [UInt32: Flow] = [:]
        for group in 0..<sets / Self.occupancySets {
            // Eight bytes at a time: most groups are empty.
            for word in 0..<Self.occupancySets / 8
            where occupancy.load(group, offset: word * 8, as: UInt64.self) != 0 {
                for byte in word * 8..<word * 8 + 8 where occupancy.load(group, offset: byte, as: UInt8.self) != 0 {
                    readSet(group * Self.occupancySets + byte, group: group, byte: byte, into: &found)
                }
            }
        }
        return found
    }

    private func readSet(_ set: Int, group: Int, byte: Int, into found: inout [UInt32: Flow]) {
        _ = occupancy.exchangeByte(group, offset: byte, with: 0)
        var used = false
        for slot in set * Self.setSlots..<(set + 1) * Self.setSlots {
            guard let raw = copy(slot) else {
                used = true  // being written: look again next time
                continue
            }
            guard let flow = raw.decoded else { continue }
            found[UInt32(slot)] = flow
            used = true
        }
        if used { _ = occupancy.exchangeByte(group, offset: byte, with: 1) }
    }

    /// A slot that was not written meanwhile; nil where it is always being written.
    private func copy(_ slot: Int) -> Slot? {
        for _ in 0..<8 {
            let raw = flows[slot]
            let version = raw.common.version
            if version & 1 == 0, flows.load(slot, offset: 0, as: UInt32.self) == version { return raw }
        }
        return nil
    }

    /// Frees a slot unless its flow has gone on meanwhile; gives back what it had counted.
    func free(_ slot: UInt32, stamp: UInt32) -> l4lb_flow? {
        let slot = Int(slot)
        let word = flows.load(slot, offset: 0, as: UInt64.self)
        guard word & 1 == 0, flows.compareExchange(slot, expected: word, desired: word | 1) else { return nil }
        let raw = flows[slot].common
        let next = UInt32(truncatingIfNeeded: word) &+ 2
        guard raw.stamp == stamp, raw.protocol != 0 else {
            // The program has used it: it stays as it was.
            _ = flows.compareExchange(slot, expected: word | 1, desired: word)
            return nil
        }
        _ = flows.compareExchange(slot, expected: word | 1, desired: UInt64(next == 0 ? 2 : next))
        if UInt32(raw.state) & L4LB_STATE_SPILLED.rawValue != 0 { takeSpill(from: hash.firstSet(of: raw)) }
        return raw
    }

    /// A flow of this set that lay in its second one is gone: one less in the set's byte.
    private func takeSpill(from set: Int) {
        let (group, byte) = (set / Self.occupancySets, set % Self.occupancySets)
        spills.add(0 &- (1 << UInt64(byte % 8 * 8)), group, offset: byte / 8 * 8)
    }

    /// Flows of a set that lie in their second one.
    func spills(of set: Int) -> UInt8 {
        spills.load(set / Self.occupancySets, offset: set % Self.occupancySets, as: UInt8.self)
    }
}
