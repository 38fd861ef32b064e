import Addresses
import BPF
import Balancer
import CDataplane

/// The measuring of one program's cases.
struct BenchSession {
    private let target: BenchTarget
    private let driver: BenchDriver
    private let millisecondsEach: Double
    private var frames: BenchFrames
    /// The number of the next new flow.
    private var nextNew: UInt64 = 0

    init(_ target: BenchTarget, driver: BenchDriver, millisecondsEach: Double) {
        self.target = target
        self.driver = driver
        self.millisecondsEach = millisecondsEach
        frames = BenchFrames(target.what)
    }

    /// Begins the connections whose packets are measured, and in SNAT has them answered.
    mutating func begin() throws {
        let head = BenchCase(program: target.what, traffic: .oneFlow).head
        var packets = BenchTraffic(
            frame: frames.request(.syn), isIPv6: target.what.isIPv6, flows: BenchCase.Traffic.manyFlows.flows,
            head: head)
        for flags in [PacketFrame.Flags.syn, .ack, .ack] {
            packets.frame = frames.request(flags)
            _ = try driver.send(packets, to: target.program, count: Int(packets.flows))
        }
        defer { target.settle() }
        guard target.what.mode == .snat else { return }
        // Where each flow's replies go tells the packet that the backend gets.
        var differences: [l4lb_bench_flow] = []
        var first: (source: Endpoint, destination: Endpoint)?
        for flow in 0..<UInt32(BenchCase.Traffic.manyReplies.flows) {
            let result = try target.program.testRun(frames.request(.ack, flow: flow))
            guard result.verdict == XDPVerdict.transmit, let ends = PacketFrame.ends(result.frame) else {
                throw AgentError("bench: the packet of flow \(flow) was not forwarded (\(try target.dropNames()))")
            }
            let flow0 = first ?? ends
            first = flow0
            differences.append(l4lb_bench_flow(ends, from: flow0))
        }
        frames.translated = first
        try driver.list(differences)
        let replies = try traffic(of: .manyReplies)
        _ = try driver.send(replies, to: target.program, count: Int(replies.flows))
    }

    private func traffic(of kind: BenchCase.Traffic) throws(AgentError) -> BenchTraffic {
        guard let frame = frames.frame(kind) else { throw AgentError("bench: no connection has been answered") }
        return BenchTraffic(
            frame: frame, isIPv6: target.what.isIPv6, flows: kind.flows, isListed: kind.isReply,
            head: BenchCase(program: target.what, traffic: kind).head)
    }

    /// Measures cases in turns, so that what disturbs the machine disturbs all of them.
    mutating func measure(
        _ cases: [BenchCase], rounds: Int, floors: inout [Double], progress: (String) -> Void
    ) throws -> [BenchResult] {
        var results = cases.map { BenchResult(case: $0, samples: []) }
        var counts: [Int] = []
        for row in cases {
            progress("checking \(row.name)")
            try check(row)
            if row.traffic == .newFlows { try fill() }
            counts.append(try count(for: row))
        }
        let floorCount = Int(millisecondsEach * 1e6 / 40)
        for round in 1...rounds {
            progress("\(cases[0].programName): round \(round) of \(rounds)")
            let yardstick = try driver.yardstick(count: floorCount)
            floors.append(yardstick.floor.nanoseconds)
            for place in cases.indices {
                let row = cases[place]
                let packets = try traffic(of: row.traffic)
                let (drops, evictions) = (try target.drops(), try target.evictions())
                let idle = try driver.sendToNobody(packets, count: counts[place], next: nextNew)
                let whole = try driver.send(packets, to: target.program, count: counts[place], next: nextNew)
                try expect(row, whole.verdict, drops: drops)
                if row.traffic == .newFlows { nextNew += UInt64(counts[place]) }
                results[place].packets += UInt64(counts[place])
                results[place].evicted += try target.evictions() - evictions
                results[place].samples.append(
                    BenchSample(
                        whole: BenchCost(whole), driver: BenchCost(idle), makesRoom: packets.head > 0,
                        yardstick: yardstick))
            }
        }
        return results
    }

    /// One packet, looked at closely: a figure for something else would be worth nothing.
    private func check(_ row: BenchCase) throws {
        let drops = try target.drops()
        let result = try driver.sendOne(try traffic(of: row.traffic), to: target.program)
        try expect(row, result.verdict, drops: drops)
        guard frames.isRight(result.frame, for: row.traffic) else {
            let bytes = result.frame.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            throw AgentError("bench: \(row.name): the frame that came out is not what it should be: \(bytes)")
        }
    }

    private func expect(_ row: BenchCase, _ verdict: UInt32, drops before: UInt64) throws {
        let dropped = try target.drops() - before
        let wanted = row.traffic.isForwarded ? XDPVerdict.transmit : XDPVerdict.pass
        guard verdict == wanted, dropped == 0 else {
            throw AgentError(
                "bench: \(row.name): verdict \(verdict) instead of \(wanted), \(dropped) packets dropped (\(try target.dropNames()))"
            )
        }
    }

    /// New connections until nearly each one evicts another.
    private mutating func fill() throws {
        let packets = try traffic(of: .newFlows)
        let batch = max(target.records / 2, 1 << 16)
        for _ in 0..<24 {
            let before = try target.evictions()
            _ = try driver.send(packets, to: target.program, count: batch, next: nextNew)
            nextNew += UInt64(batch)
            target.settle()
            if Double(try target.evictions() - before) > 0.95 * Double(batch) { return }
        }
        throw AgentError("bench: the flow table does not get full: give a smaller --flow-table-size")
    }

    /// Runs that take the wished time, and meet each flow at least once.
    private mutating func count(for row: BenchCase) throws -> Int {
        let packets = try traffic(of: row.traffic)
        let few = row.traffic == .newFlows ? 4096 : max(2048, Int(packets.flows))
        let run = try driver.send(packets, to: target.program, count: few, next: nextNew)
        if row.traffic == .newFlows { nextNew += UInt64(few) }
        return min(max(Int(millisecondsEach * 1e6 / max(run.nanoseconds, 1)), few), 2_000_000)
    }
}

/// The numbers of `enum xdp_action`.
private enum XDPVerdict {
    static let pass: UInt32 = 2
    static let transmit: UInt32 = 3
}

extension BenchCase {
    /// The part of the name that all cases of a program share.
    var programName: String { String(name.prefix { $0 != ":" }) }
}

extension l4lb_bench_flow {
    /// What a reply to a packet with these ends has other than a reply to `first`.
    fileprivate init(
        _ ends: (source: Endpoint, destination: Endpoint), from first: (source: Endpoint, destination: Endpoint)
    ) {
        let word = { (address: IPAddress) in l4lb_address(address).words.3 }
        self.init(
            source: word(ends.destination.address) ^ word(first.destination.address),
            ports: (UInt32(ends.destination.port ^ first.destination.port) << 16
                | UInt32(ends.source.port ^ first.source.port)).bigEndian)
    }
}
