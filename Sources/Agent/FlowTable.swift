import BPF
import Balancer
import CDataplane

/// The flow table in this process's memory.
final class FlowTable {
    private let flows: MappedArray<l4lb_flow>
    private let occupancy: MappedArray<l4lb_occupancy>
    private let sets: Int

    private static let setSlots = Int(L4LB_SET_SLOTS)
    private static let occupancySets = Int(L4LB_OCCUPANCY_SETS)

    init(flows: BPFMap, occupancy: BPFMap, sets: Int) throws(BPFError) {
        self.sets = sets
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
            guard let flow = Flow(raw) else { continue }
            found[UInt32(slot)] = flow
            used = true
        }
        if used { _ = occupancy.exchangeByte(group, offset: byte, with: 1) }
    }

    /// A slot that was not written meanwhile; nil where it is always being written.
    private func copy(_ slot: Int) -> l4lb_flow? {
        for _ in 0..<8 {
            let raw = flows[slot]
            if raw.version & 1 == 0, flows.load(slot, offset: 0, as: UInt32.self) == raw.version { return raw }
        }
        return nil
    }

    /// Frees a slot unless its flow has gone on meanwhile; gives back what it had counted.
    func free(_ slot: UInt32, stamp: UInt32) -> l4lb_flow? {
        let slot = Int(slot)
        let word = flows.load(slot, offset: 0, as: UInt64.self)
        guard word & 1 == 0, flows.compareExchange(slot, expected: word, desired: word | 1) else { return nil }
        let raw = flows[slot]
        let next = UInt32(truncatingIfNeeded: word) &+ 2
        guard raw.stamp == stamp, raw.protocol != 0 else {
            // The program has used it: it stays as it was.
            _ = flows.compareExchange(slot, expected: word | 1, desired: word)
            return nil
        }
        _ = flows.compareExchange(slot, expected: word | 1, desired: UInt64(next == 0 ? 2 : next))
        return raw
    }
}
