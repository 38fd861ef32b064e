import BPF
import Balancer
import CDataplane
import Glibc

/// What a slot holds that an index entry names.
enum SlotUse {
    case free
    /// It is being written.
    case busy
    case flow(hash: UInt32, isConfirmed: Bool)
}

/// The index of one family's flow table: it names the slots that hold a flow, by the flow's hash.
final class FlowIndex {
    private let buckets: MappedArray<l4lb_bucket>
    private let shape: MappedArray<l4lb_flow_index>
    /// In the map `flow_index`.
    private let family: Int
    let size: IndexSize
    /// Buckets in use, a power of two.
    private(set) var count: Int
    /// Where the program is told to look for room.
    private var round: UInt32 = 0

    private static let entries = Int(L4LB_BUCKET_ENTRIES)

    /// One that is not adopted must not be in use yet: until now every flow has the same bucket.
    init(buckets: BPFMap, shape: BPFMap, isIPv6: Bool, size: IndexSize, adopted: Bool = false) throws(BPFError) {
        self.buckets = try MappedArray(buckets, elements: size.most)
        self.shape = try MappedArray(shape, elements: 2)
        self.size = size
        family = isIPv6 ? 1 : 0
        let now = self.shape[family]
        // Made by another family's program, it has not been set.
        if adopted, now.round != 0 {
            count = Int(now.mask) + 1
            round = now.round
            return
        }
        count = size.start
        storeMasks(new: count, old: count)
        setLow(0)
    }

    private func storeMasks(new: Int, old: Int) {
        shape.storeWord(UInt64(new - 1) | UInt64(old - 1) << 32, family, offset: 0)
    }

    /// Tells the program's processors to begin their search for a free connection at this word of the map `used`.
    func setLow(_ word: Int) {
        round &+= 1
        shape.storeWord(UInt64(word) | UInt64(round) << 32, family, offset: 8)
    }

    // MARK: Entries

    private func entry(_ bucket: Int, _ place: Int) -> IndexEntry? {
        IndexEntry(rawValue: buckets.load(bucket, offset: place * 4, as: UInt32.self))
    }

    private func replace(_ bucket: Int, _ place: Int, _ old: IndexEntry?, with new: IndexEntry?) -> Bool {
        buckets.compareExchange(
            bucket, offset: place * 4, expected: old?.rawValue ?? 0, desired: new?.rawValue ?? 0)
    }

    /// The flow with this hash goes from its slot, which is held.
    func remove(slot: Int, hash: UInt32) {
        let shape = shape[family]
        remove(IndexEntry(slot: slot, hash: hash), from: Int(hash & shape.mask))
        if shape.mask != shape.old_mask {
            remove(IndexEntry(slot: slot, hash: hash), from: Int(hash & shape.old_mask))
        }
    }

    private func remove(_ old: IndexEntry, from bucket: Int) {
        for place in 0..<Self.entries where entry(bucket, place) == old {
            if replace(bucket, place, old, with: nil) { return }
        }
    }

    private func insert(_ new: IndexEntry, into bucket: Int) -> Bool {
        for place in 0..<Self.entries where entry(bucket, place) == nil {
            if replace(bucket, place, nil, with: new) { return true }
        }
        return false
    }

    // MARK: Size

    /// An agent has ended half-way between two sizes.
    func finishMoving(use: (Int) -> SlotUse) {
        let old = Int(shape[family].old_mask) + 1
        guard old != count else { return }
        let wanted = count
        count = old
        resize(to: wanted, use: use)
    }

    /// Lets the size follow the number of slots in use; the program goes on meanwhile. Most times there is nothing
    /// to do, else it takes as long as it takes to read the index.
    func fit(slots: Int, use: (Int) -> SlotUse) {
        let wanted = size.buckets(slots: slots, now: count)
        if wanted != count { resize(to: wanted, use: use) }
    }

    func resize(to wanted: Int, use: (Int) -> SlotUse) {
        var end = wanted
        if !move(from: count, to: wanted, isLast: false, use: use) {
            // More than a bucket's entries are confirmed there, which only happens in an index that is nearly full.
            _ = move(from: wanted, to: count, isLast: true, use: use)
            end = count
        }
        // Nobody needs to be waited for: who still looks into the old bucket too finds nothing there, and before the
        // next move begins, all such have ended.
        storeMasks(new: end, old: end)
        count = end
    }

    /// Moves all entries to the buckets that they have with another size. False where a confirmed flow found its
    /// bucket full, unless this is the last way out: then its entry is lost.
    private func move(from old: Int, to new: Int, isLast: Bool, use: (Int) -> SlotUse) -> Bool {
        storeMasks(new: new, old: old)
        // Who has read the masks before inserts by the old one.
        GracePeriod.wait()
        for bucket in 0..<old {
            for place in 0..<Self.entries {
                guard let entry = entry(bucket, place) else { continue }
                var copied: Int?
                // Of one that is nobody's any more nothing is kept.
                if case .flow(let hash, let isConfirmed) = settled(entry, use), entry.matches(hash: hash) {
                    let target = Int(hash) & (new - 1)
                    if target == bucket { continue }
                    if Int(hash) & (old - 1) == bucket {
                        if insert(entry, into: target) { copied = target }
                        if copied == nil, isConfirmed, !isLast { return false }
                    }
                }
                // It may have gone by itself: its flow has ended meanwhile, so that nobody wants the copy.
                if !replace(bucket, place, entry, with: nil), let copied { remove(entry, from: copied) }
            }
        }
        return true
    }

    /// What the slot holds once nobody is writing in it. A writer needs less than a microsecond, unless the kernel
    /// takes the processor away from it; one that never ends removes or inserts the entry by itself.
    private func settled(_ entry: IndexEntry, _ use: (Int) -> SlotUse) -> SlotUse {
        for attempt in 0..<100 {
            let found = use(entry.slot)
            guard case .busy = found else { return found }
            if attempt > 8 { usleep(1000) }
        }
        return .busy
    }
}
