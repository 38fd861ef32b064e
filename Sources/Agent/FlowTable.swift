import BPF
import Balancer
import CDataplane

/// A slot of a flow table: what both families have in common comes first.
protocol FlowSlot {
    var common: l4lb_flow { get }
    /// Nil where it is free or being written. `peer`: the slot of the other direction.
    func decoded(peer: UInt32) -> Flow?
}

extension l4lb_flow: FlowSlot {
    var common: l4lb_flow { self }
    func decoded(peer: UInt32) -> Flow? { Flow(self, peer: peer) }
}

extension l4lb_flow6: FlowSlot {
    var common: l4lb_flow { flow }
    func decoded(peer: UInt32) -> Flow? { Flow(self, peer: peer) }
}

/// The flow table of one family in this process's memory. Connection r has the slots r and r + records; who holds
/// the first one, its version being odd, owns both.
final class FlowTable<Slot: FlowSlot & BitwiseCopyable> {
    let index: FlowIndex
    private let flows: MappedArray<Slot>
    private let used, kept: MappedArray<UInt64>
    private let records: Int

    init(flows: BPFMap, used: BPFMap, kept: BPFMap, index: FlowIndex, records: Int) throws(BPFError) {
        self.records = records
        self.index = index
        self.flows = try MappedArray(flows, elements: records * 2)
        self.used = try MappedArray(used, elements: records / 64)
        self.kept = try MappedArray(kept, elements: records / 64)
    }

    // MARK: Reading

    /// All flows. Connections lie densely, so that most words of `used` are 0.
    func read() -> [UInt32: Flow] {
        var found: [UInt32: Flow] = [:]
        for word in 0..<records / 64 {
            var bits = used[word]
            while bits != 0 {
                let record = word * 64 + bits.trailingZeroBitCount
                bits &= bits - 1
                let before = found.count
                for (slot, peer) in [(record, record + records), (record + records, record)] {
                    guard let flow = copy(slot)?.decoded(peer: UInt32(peer)) else { continue }
                    found[UInt32(slot)] = flow
                }
                if found.count == before { giveBack(record) }
            }
        }
        return found
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

    // MARK: Freeing

    /// Frees a slot unless its flow has gone on meanwhile; gives back what it had counted.
    func free(_ slot: UInt32, stamp: UInt32) -> l4lb_flow? {
        let slot = Int(slot)
        let record = slot % records
        guard let word = hold(record) else { return nil }
        if slot == record {
            let gone = release(record, word, stamp: stamp, isLast: isFree(record + records))
            if gone == nil { restore(record, word) }
            return gone
        }
        defer { restore(record, word) }
        guard let replyWord = hold(slot) else { return nil }
        let gone = release(slot, replyWord, stamp: stamp, isLast: isFree(record))
        if gone == nil { restore(slot, replyWord) }
        return gone
    }

    /// Frees a slot that is held. The index first, so that no entry names a slot that is another flow's; then, where
    /// it is the last of its connection, the bits; and the slot when all is done.
    private func release(_ slot: Int, _ word: UInt64, stamp: UInt32, isLast: Bool) -> l4lb_flow? {
        let raw = flows[slot].common
        guard raw.stamp == stamp, raw.protocol != 0 else { return nil }
        index.remove(slot: slot, hash: raw.hash)
        if isLast { clearBits(slot % records) }
        // All but the version is 0: free.
        _ = flows.compareExchange(
            slot, expected: word | 1, desired: UInt64(UInt32(truncatingIfNeeded: word) &+ 2))
        return raw
    }

    /// A place that a processor took in `used` just when another one was giving it back: it got nothing, and left the
    /// bit behind.
    private func giveBack(_ record: Int) {
        guard let word = hold(record) else { return }
        if isFree(record), isFree(record + records) { clearBits(record) }
        restore(record, word)
    }

    private func clearBits(_ record: Int) {
        kept.clear(1 << UInt64(record % 64), record / 64)
        used.clear(1 << UInt64(record % 64), record / 64)
    }

    private func isFree(_ slot: Int) -> Bool { flows[slot].common.protocol == 0 }

    /// Makes a slot's version odd; gives its first word as it was. Nil where somebody else writes in it.
    private func hold(_ slot: Int) -> UInt64? {
        let word = flows.load(slot, offset: 0, as: UInt64.self)
        return word & 1 == 0 && flows.compareExchange(slot, expected: word, desired: word | 1) ? word : nil
    }

    private func restore(_ slot: Int, _ word: UInt64) {
        _ = flows.compareExchange(slot, expected: word | 1, desired: word)
    }

    // MARK: Keeping it small

    /// What is to be done once a second: the index gets the size for so many slots in use, and new connections
    /// take the lowest places that are free.
    func settle(slots: Int) {
        index.fit(slots: slots, use: use(of:))
        index.setLow((0..<records / 64).first { used[$0] != .max } ?? 0)
    }

    /// Counted anew: it reads every connection in use.
    func slotsInUse() -> Int {
        var count = 0
        for word in 0..<records / 64 {
            var bits = used[word]
            while bits != 0 {
                let record = word * 64 + bits.trailingZeroBitCount
                bits &= bits - 1
                count += (isFree(record) ? 0 : 1) + (isFree(record + records) ? 0 : 1)
            }
        }
        return count
    }

    func use(of slot: Int) -> SlotUse {
        guard let raw = copy(slot)?.common else { return .busy }
        guard raw.protocol != 0 else { return .free }
        return .flow(hash: raw.hash, isConfirmed: UInt32(raw.state) & L4LB_STATE_REPLIED.rawValue != 0)
    }
}
