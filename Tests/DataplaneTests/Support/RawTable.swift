import BPF
import Balancer
import CDataplane
import Testing

@testable import Agent

/// One family's flow table as it lies in its maps.
struct RawTable {
    let index: FlowIndex
    let use: (Int) -> SlotUse
    let read: () -> [UInt32: Flow]
    let free: (UInt32, UInt32) -> l4lb_flow?
    let settle: (Int) -> Void
    private let shape: MappedArray<l4lb_flow_index>
    private let buckets: MappedArray<l4lb_bucket>
    private let used, kept: MappedArray<UInt64>
    private let family: Int

    init(_ maps: DataplaneMaps, isIPv6: Bool) throws {
        func map(_ name: String) throws -> BPFMap {
            try #require((maps.all + (maps.ipv6?.all ?? [])).first { $0.name == name })
        }
        let sizes = maps.sizes
        let family = isIPv6 ? "6" : ""
        self.family = isIPv6 ? 1 : 0
        shape = try MappedArray(try map("flow_index"), elements: 2)
        buckets = try MappedArray(try map("buckets\(family)"), elements: sizes.index.most)
        used = try MappedArray(try map("used\(family)"), elements: sizes.records / 64)
        kept = try MappedArray(try map("kept\(family)"), elements: sizes.records / 64)
        if isIPv6 {
            let table = try #require(maps.ipv6).flowTable
            (index, use, read, settle) = (table.index, table.use(of:), table.read, table.settle(slots:))
            free = { table.free($0, stamp: $1) }
        } else {
            let table = maps.flowTable
            (index, use, read, settle) = (table.index, table.use(of:), table.read, table.settle(slots:))
            free = { table.free($0, stamp: $1) }
        }
    }

    var masks: [UInt32] { [shape[family].mask, shape[family].old_mask] }

    func setMasks(_ new: UInt32, old: UInt32) {
        shape.storeWord(UInt64(new) | UInt64(old) << 32, family, offset: 0)
    }

    /// The slots that each bucket names.
    var names: [Int: [Int]] {
        var names: [Int: [Int]] = [:]
        for bucket in 0..<buckets.count {
            for place in 0..<Int(L4LB_BUCKET_ENTRIES) {
                let entry = IndexEntry(rawValue: buckets.load(bucket, offset: place * 4, as: UInt32.self))
                if let entry { names[bucket, default: []].append(entry.slot) }
            }
        }
        return names
    }

    /// Places of connections, by the bits of either kind.
    var usedPlaces: [Int] { Self.bits(used) }
    var keptPlaces: [Int] { Self.bits(kept) }

    /// As a processor leaves it that took a place while another one was giving it back.
    func markUsed(_ place: Int) { used.store(used[place / 64] | 1 << UInt64(place % 64), place / 64) }

    private static func bits(_ words: MappedArray<UInt64>) -> [Int] {
        (0..<words.count * 64).filter { words[$0 / 64] >> UInt64($0 % 64) & 1 == 1 }
    }

    /// Frees all that it holds, as if everything had ended.
    func freeAll() {
        for (slot, flow) in read() { #expect(free(slot, flow.stamp) != nil) }
    }

    /// The index names each slot in use once, in a bucket that it has now, and nothing else.
    func expectWhole(_ comment: Comment? = nil, _ location: SourceLocation = #_sourceLocation) {
        let names = names
        #expect(masks == [UInt32(index.count - 1), UInt32(index.count - 1)], comment, sourceLocation: location)
        #expect(names.keys.allSatisfy { $0 < index.count }, comment, sourceLocation: location)
        #expect(names.values.joined().sorted() == read().keys.map(Int.init).sorted(), comment, sourceLocation: location)
    }
}
