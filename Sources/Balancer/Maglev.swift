/// Which backend each slot of a service's lookup table belongs to: Maglev hashing (Eisenbud et al., "Maglev: A Fast
/// and Reliable Software Network Load Balancer", NSDI 2016, section 3.4), with exact weights.
///
/// The table is a pure function of the backends' names and weights, the size and the seed: the same on every machine,
/// in whatever order the backends are given.
///
/// As in the paper every backend has a permutation of the slots as its preference list. It tries them one after another,
/// at the pace of its weight, until it has its quota, and a slot belongs to the first that tries it. In the paper a
/// backend tries on within its turn until it finds a free slot; trying in step instead, a stable matching in which both
/// sides prefer the earlier try, halves what moves among the others when a backend leaves (of 100 in 16381 slots: 0.65 %
/// of the others' slots on the average instead of 1.3 %).
public struct MaglevTable: Equatable, Sendable {
    /// The sizes that a table may have, in slots: Cilium's `--bpf-lb-maglev-table-size`, all of them prime.
    public static let sizes = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131_071]
    /// Slots of a table when no size is given.
    public static let defaultSize = 16381

    /// For each slot, the place of its backend in the array that the table was made from. Empty when no backend has
    /// a weight.
    public let slots: [UInt16]

    /// - Parameters:
    ///   - backends: at most 65,536, in any order. Names are unique texts such as `20.1.1.10:80/tcp`. A weight, 0 to
    ///     65535, is the backend's share of the slots, exact to within one slot; with 0 it gets none.
    ///   - size: one of `sizes`.
    ///   - seed: the same on all balancers of a service; see `seed(base64:)`.
    public init(backends: [(name: String, weight: UInt16)], size: Int, seed: UInt64) {
        precondition(Self.sizes.contains(size), "\(size) is not a size of a Maglev table")
        precondition(backends.count <= 1 << 16, "a slot holds 16 bits")
        let order = backends.indices.sorted { backends[$0].name < backends[$1].name }
        precondition(
            zip(order, order.dropFirst()).allSatisfy { backends[$0].name != backends[$1].name },
            "two backends have the same name")
        let weights = order.map { UInt64(backends[$0].weight) }
        // Equal proportions give equal tables.
        let divisor = weights.reduce(0, Self.greatestCommonDivisor)
        let quotas = Self.quotas(weights: weights, size: size)
        let bidders = order.indices.filter { quotas[$0] > 0 }.map { place in
            Bidder(
                index: UInt16(order[place]), hash: Self.hash(backends[order[place]].name.utf8, seed: seed),
                weight: weights[place] / divisor, quota: quotas[place], size: UInt32(size))
        }
        slots = bidders.isEmpty ? [] : Self.populate(bidders, size: size)
    }

    /// The 64-bit seed that stands for the text of `--bpf-lb-maglev-hash-seed`: as in Cilium 12 bytes in base64
    /// (`head -c12 /dev/urandom | base64`), that is 16 characters of `A-Za-z0-9+/`; nil for any other text.
    public static func seed(base64 text: String) -> UInt64? {
        let isBase64 = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                true
            default: false
            }
        }
        return isBase64 && text.utf8.count == 16 ? hash(text.utf8, seed: 0) : nil
    }

    /// The text of the seed when none is given: Cilium's.
    public static let defaultSeed = "JLfvgnHc2kaSUFaI"
}

extension MaglevTable {
    /// A backend on its way through its preference list: the slots `position`, `position + skip`, … modulo the size.
    private struct Bidder {
        let index: UInt16
        /// Slots that it still has to get.
        var quota: UInt32
        var position: UInt32
        /// 1 to size - 1. The size is prime, so the list holds every slot once.
        let skip: UInt32
        let weight: UInt64
        /// Tries that it has earned and not yet made, in units of 1 / `oneTry`.
        var credit: UInt64 = 0

        init(index: UInt16, hash: UInt64, weight: UInt64, quota: UInt32, size: UInt32) {
            self.index = index
            self.quota = quota
            self.weight = weight
            position = UInt32(hash % UInt64(size))
            skip = UInt32(MaglevTable.mix(hash &+ MaglevTable.golden) % UInt64(size - 1)) + 1
        }

        /// The slot to try now.
        mutating func next(size: UInt32) -> Int {
            let slot = position
            // Below 0 wraps around to more than any slot.
            position = min(slot &+ skip, slot &+ skip &- size)
            return Int(slot)
        }
    }

    /// Rounds in which the backends, in the order of their names, make the tries that their weights have earned them.
    private static func populate(_ bidders: [Bidder], size: Int) -> [UInt16] {
        var bidders = bidders
        var slots = [UInt16](repeating: 0, count: size)
        var free = [UInt64](repeating: .max, count: (size + 63) / 64)
        let tries = UInt64(bidders.count)
        while !bidders.isEmpty {
            let total = bidders.reduce(0) { $0 + $1.weight }
            let shift = pace(total: total, tries: tries)
            // Those who are done are passed over. Once they are many, or were the heavy ones, they are taken out and
            // the pace is set anew: else the light ones would need very many rounds.
            var left = bidders.count
            var weight = total
            var bidding = bidders.mutableSpan
            var owners = slots.mutableSpan
            var unowned = free.mutableSpan
            while left >= bidding.count - bidding.count / 8, weight > total / 2 {
                for index in bidding.indices where bidding[index].quota > 0 {
                    var bidder = bidding[index]
                    bidder.credit += bidder.weight << shift
                    while bidder.credit >= oneTry, bidder.quota > 0 {
                        bidder.credit -= oneTry
                        let slot = bidder.next(size: UInt32(size))
                        let (word, bit) = (slot >> 6, UInt64(1) << (slot & 63))
                        if unowned[word] & bit != 0 {
                            unowned[word] ^= bit
                            owners[slot] = bidder.index
                            bidder.quota -= 1
                        }
                    }
                    if bidder.quota == 0 {
                        left -= 1
                        weight -= bidder.weight
                    }
                    bidding[index] = bidder
                }
            }
            bidders.removeAll { $0.quota == 0 }
        }
        return slots
    }

    /// The shift that turns a weight into its credit for a round, so that the backends, whose weights sum to `total`,
    /// make `tries` to twice as many tries in it. As a power of two it seldom changes with who is there.
    private static func pace(total: UInt64, tries: UInt64) -> UInt64 {
        var shift: UInt64 = 0
        while total << shift < tries * oneTry { shift += 1 }
        return shift
    }

    /// A try's price in credit.
    private static let oneTry: UInt64 = 1 << 32

    /// Slots of each weight by the method of the largest remainder; the earlier one is first among equals.
    private static func quotas(weights: [UInt64], size: Int) -> [UInt32] {
        let total = weights.reduce(0, +)
        guard total > 0 else { return weights.map { _ in 0 } }
        let shares = weights.map { ($0 * UInt64(size)).quotientAndRemainder(dividingBy: total) }
        var quotas = shares.map { UInt32($0.quotient) }
        let rest = size - Int(quotas.reduce(0, +))
        let byRemainder = shares.indices.sorted {
            (shares[$1].remainder, $0) < (shares[$0].remainder, $1)
        }
        for index in byRemainder.prefix(rest) { quotas[index] += 1 }
        return quotas
    }

    private static func greatestCommonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
        b == 0 ? a : greatestCommonDivisor(b, a % b)
    }

    private static let golden: UInt64 = 0x9e37_79b9_7f4a_7c15

    /// FNV-1a from a basis that the seed has changed, then `mix`, as FNV's upper bits are weak on short texts.
    private static func hash(_ bytes: String.UTF8View, seed: UInt64) -> UInt64 {
        var hash = 0xcbf2_9ce4_8422_2325 ^ mix(seed &+ golden)
        for byte in bytes {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return mix(hash)
    }

    /// The finaliser of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
    private static func mix(_ value: UInt64) -> UInt64 {
        var x = value
        x = (x ^ x >> 30) &* 0xbf58_476d_1ce4_e5b9
        x = (x ^ x >> 27) &* 0x94d0_49bb_1331_11eb
        return x ^ x >> 31
    }
}
