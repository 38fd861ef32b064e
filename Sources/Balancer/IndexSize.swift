/// How many buckets the index over a flow table's slots has: it follows the number of flows, so that the memory that
/// packets touch stays small. All sizes are powers of two.
public struct IndexSize: Equatable, Sendable {
    /// Four entries of a bucket's sixteen for each, with all slots in use.
    public let most: Int
    /// A table that is hardly used has this many: 2 MiB, which a processor's nearer caches hold.
    public let start: Int

    /// Entries of a bucket on the average, above which the index grows: more than sixteen in one are then as good as
    /// impossible.
    private static let entries = 4

    /// `records`: connections that the table has room for, a power of two.
    public init(records: Int) {
        most = max(records / 2, 16)
        start = min(most, 1 << 15)
    }

    /// What the size shall be with so many slots in use. It shrinks late, so that it does not go up and down.
    public func buckets(slots: Int, now: Int) -> Int {
        var wanted = start
        while wanted < most, slots > wanted * Self.entries { wanted *= 2 }
        return wanted > now || wanted <= now / 4 ? wanted : now
    }
}
