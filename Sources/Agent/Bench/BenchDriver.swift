import BPF
import CDataplane

/// The packets that the driver sends to a program.
struct BenchTraffic {
    /// Of flow 0.
    var frame: [UInt8]
    var isIPv6: Bool
    /// A power of two.
    var flows: UInt64 = 1
    /// Flows differ as they were listed with the driver, else as clients' do.
    var isListed = false
    /// Bytes that the program puts in front.
    var head = 0
}

/// The driver program and what it is compared with.
final class BenchDriver {
    private let ipv4, ipv6, empty, head, adjust, floor: BPFProgram
    private let target, traffic, frame, flows: BPFMap
    private let counters: ProcessorCounters?

    init(clang: Clang) throws {
        let object = try BPFObject(try clang.compile("bench.bpf.c", macros: []))
        try object.load()
        ipv4 = try object.program("bench_ipv4")
        ipv6 = try object.program("bench_ipv6")
        empty = try object.program("bench_empty")
        head = try object.program("bench_head")
        adjust = try object.program("bench_adjust")
        floor = try object.program("bench_floor")
        target = try object.loadedMap("bench_target")
        traffic = try object.loadedMap("bench_traffic")
        frame = try object.loadedMap("bench_frame")
        flows = try object.loadedMap("bench_flows")
        counters = ProcessorCounters()
    }

    var hasCounters: Bool { counters != nil }

    /// Sends packets from flow number `next` on through a program.
    func send(_ packets: BenchTraffic, to program: BPFProgram, count: Int, next: UInt64 = 0) throws(BPFError)
        -> RepeatedRun
    {
        let driver = try prepare(packets, to: program, next: next)
        return try driver.run(input(packets), count: count, counters: counters)
    }

    /// Sends the first packet, and gives what comes out.
    func sendOne(_ packets: BenchTraffic, to program: BPFProgram) throws(BPFError) -> BPFProgram.TestResult {
        try prepare(packets, to: program, next: 0).testRun(input(packets))
    }

    /// The packet that flow number `next` has, behind the room that a program would have made.
    func sendOneToNobody(_ packets: BenchTraffic, next: UInt64) throws(BPFError) -> BPFProgram.TestResult {
        try prepare(packets, to: packets.head == 0 ? empty : head, next: next).testRun(input(packets))
    }

    /// What driver and kernel cost for these packets.
    func sendToNobody(_ packets: BenchTraffic, count: Int, next: UInt64 = 0) throws(BPFError) -> RepeatedRun {
        try send(packets, to: packets.head == 0 ? empty : head, count: count, next: next)
    }

    /// The yardstick, as it stands at this moment.
    func yardstick(count: Int) throws(BPFError) -> BenchYardstick {
        let packets = BenchTraffic(frame: Self.floorFrame, isIPv6: false)
        let driver = try send(packets, to: empty, count: count)
        let adjusting = try send(packets, to: adjust, count: count)
        return BenchYardstick(
            empty: BenchCost(try empty.run(Self.floorFrame, count: count, counters: counters)),
            floor: BenchCost(try floor.run(Self.floorFrame, count: count, counters: counters)),
            adjustHead: (BenchCost(adjusting) - BenchCost(driver)) / Double(L4LB_BENCH_ADJUSTS))
    }

    /// Tells by what the packets of listed flows differ from those of flow 0.
    func list(_ differences: [l4lb_bench_flow]) throws(BPFError) {
        try flows.update(keys: (0..<differences.count).map(UInt32.init), values: differences)
    }

    private static var floorFrame: [UInt8] {
        let places = BenchPlaces(isIPv6: false)
        return PacketFrame.tcp(from: places.client(0), to: places.frontend(0), .ack)
    }

    private func prepare(_ packets: BenchTraffic, to program: BPFProgram, next: UInt64) throws(BPFError) -> BPFProgram {
        let words = stride(from: 0, to: Int(L4LB_BENCH_FRAME6), by: 8).map { at in
            packets.frame.dropFirst(at).prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        try frame.update(UInt32(0), elements: words.map(\.littleEndian))
        try traffic.update(
            UInt32(0),
            l4lb_bench_traffic(
                next: next, mask: UInt32(truncatingIfNeeded: packets.flows - 1), head: Int32(packets.head),
                listed: packets.isListed ? 1 : 0, pad: 0))
        try target.update(0, program: program)
        return packets.isIPv6 ? ipv6 : ipv4
    }

    /// The driver gives back the room that the program takes in front.
    private func input(_ packets: BenchTraffic) -> [UInt8] {
        [UInt8](repeating: 0, count: packets.head) + packets.frame
    }
}

extension BenchCost {
    init(_ run: RepeatedRun) {
        self.init(nanoseconds: run.nanoseconds, cycles: run.cycles, instructions: run.instructions)
    }
}
