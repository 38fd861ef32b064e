import CDataplane
import Testing

@testable import Balancer

@Suite struct FlowIndexTests {
    typealias Row = (records: Int, slots: Int, now: Int, buckets: Int)

    @Test(
        "the index has a size for the flows that there are",
        arguments: [
            // The default table: 1 Mi connections.
            (1 << 20, 0, 1 << 15, 1 << 15), (1 << 20, 1 << 17, 1 << 15, 1 << 15),
            (1 << 20, 1 << 17 + 1, 1 << 15, 1 << 16), (1 << 20, 1 << 18 + 1, 1 << 15, 1 << 17),
            (1 << 20, 1 << 21, 1 << 15, 1 << 19),
            // It shrinks when a quarter is enough, not before, and never below the start.
            (1 << 20, 1 << 18 + 1, 1 << 18, 1 << 18), (1 << 20, 1 << 18, 1 << 18, 1 << 16),
            (1 << 20, 0, 1 << 19, 1 << 15), (1 << 20, 0, 1 << 17, 1 << 15), (1 << 20, 0, 1 << 16, 1 << 16),
            // Small and large tables.
            (64, 0, 32, 32), (64, 128, 32, 32), (1024, 2048, 512, 512),
            (1 << 24, 1 << 25, 1 << 15, 1 << 23), (1 << 24, 1 << 25 + 1, 1 << 23, 1 << 23),
        ] as [Row])
    func size(row: Row) {
        #expect(IndexSize(records: row.records).buckets(slots: row.slots, now: row.now) == row.buckets)
    }

    @Test("a table with all slots in use has four of them in a bucket", arguments: (6...24).map { 1 << $0 })
    func most(records: Int) {
        let size = IndexSize(records: records)
        #expect(size.most * 4 == records * 2 && size.start <= size.most)
    }

    @Test(
        "an entry names a slot and the top bits of a hash",
        arguments: [
            (0, 0, 1), (0, 0x01ff_ffff, 1), (5, 0x0200_0000, 1), (5, 0x0400_0001, 2), (1 << 25 - 1, UInt32.max, 127),
        ] as [(Int, UInt32, UInt32)])
    func entry(slot: Int, hash: UInt32, tag: UInt32) {
        let entry = IndexEntry(slot: slot, hash: hash)
        #expect(entry.rawValue == tag << 25 | UInt32(slot))
        #expect(entry.slot == slot)
        #expect(entry.matches(hash: hash))
        #expect(!entry.matches(hash: hash ^ 0x0800_0000))
        #expect(IndexEntry(rawValue: entry.rawValue) == entry)
    }

    @Test("0 is no entry")
    func none() {
        #expect(IndexEntry(rawValue: 0) == nil)
    }
}
