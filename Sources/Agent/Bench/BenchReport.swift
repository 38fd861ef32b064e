/// What one run of a program costs.
public struct BenchCost: Equatable, Sendable {
    public var nanoseconds: Double
    /// Nil where the machine has no counters.
    public var cycles, instructions: Double?

    public init(nanoseconds: Double, cycles: Double? = nil, instructions: Double? = nil) {
        self.nanoseconds = nanoseconds
        self.cycles = cycles
        self.instructions = instructions
    }

    static func + (a: Self, b: Self) -> Self { combine(a, b, +) }
    static func - (a: Self, b: Self) -> Self { combine(a, b, -) }
    static func / (a: Self, divisor: Double) -> Self { combine(a, a) { first, _ in first / divisor } }

    private static func combine(_ a: Self, _ b: Self, _ operation: (Double, Double) -> Double) -> Self {
        func both(_ a: Double?, _ b: Double?) -> Double? {
            guard let a, let b else { return nil }
            return operation(a, b)
        }
        return Self(
            nanoseconds: operation(a.nanoseconds, b.nanoseconds), cycles: both(a.cycles, b.cycles),
            instructions: both(a.instructions, b.instructions))
    }
}

/// What a round's figures are held against; all measured in that round.
public struct BenchYardstick: Equatable, Sendable {
    /// A program that does nothing, and the kernel's loop around it.
    public var empty: BenchCost
    /// The floor, with the same loop around it.
    public var floor: BenchCost
    /// One call of bpf_xdp_adjust_head.
    public var adjustHead: BenchCost

    public init(empty: BenchCost, floor: BenchCost, adjustHead: BenchCost) {
        self.empty = empty
        self.floor = floor
        self.adjustHead = adjustHead
    }
}

/// A case in one round.
public struct BenchSample: Equatable, Sendable {
    /// Of the program alone.
    public var net: BenchCost
    /// What it would cost in the floor's place, as a multiple of the floor.
    public var floors: Double

    /// `driver`: the same packets without the program. Where that has undone what the driver gives back in front,
    /// the program's own making room was taken off with it.
    public init(whole: BenchCost, driver: BenchCost, makesRoom: Bool, yardstick: BenchYardstick) {
        net = whole - driver
        if makesRoom { net = net + yardstick.adjustHead }
        floors = (net.nanoseconds + yardstick.empty.nanoseconds) / yardstick.floor.nanoseconds
    }
}

/// A case over all rounds.
public struct BenchResult: Sendable {
    public var `case`: BenchCase
    public var samples: [BenchSample]
    /// Packets that were measured, and connections that they evicted.
    public var packets, evicted: UInt64

    public init(case: BenchCase, samples: [BenchSample], packets: UInt64 = 0, evicted: UInt64 = 0) {
        self.case = `case`
        self.samples = samples
        self.packets = packets
        self.evicted = evicted
    }

    public var floors: BenchSpread { BenchSpread(samples.map(\.floors)) }
    public var nanoseconds: Double { BenchSpread(samples.map(\.net.nanoseconds)).median }
    public var cycles: Double? { Self.median(samples.map(\.net.cycles)) }
    public var instructions: Double? { Self.median(samples.map(\.net.instructions)) }
    /// Of 100 packets.
    public var evictedShare: Double { packets == 0 ? 0 : Double(evicted) * 100 / Double(packets) }

    private static func median(_ values: [Double?]) -> Double? {
        let known = values.compactMap(\.self)
        return known.count == values.count ? BenchSpread(known).median : nil
    }
}

/// The middle and the ends of what the rounds gave.
public struct BenchSpread: Equatable, Sendable {
    public var median, least, most: Double

    /// At least one value.
    public init(_ values: [Double]) {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        least = sorted[0]
        most = sorted[sorted.count - 1]
    }
}

public struct BenchReport: Sendable {
    public var results: [BenchResult]
    /// Of the floor, the kernel's loop included; the median of all rounds.
    public var floorNanoseconds: Double
    public var rounds: Int
    public var flowTableSize: Int

    public init(results: [BenchResult], floorNanoseconds: Double, rounds: Int, flowTableSize: Int) {
        self.results = results
        self.floorNanoseconds = floorNanoseconds
        self.rounds = rounds
        self.flowTableSize = flowTableSize
    }
}
