import Addresses
import BPF
import CDataplane
import Testing

@testable import Agent
@testable import Balancer

/// The compiled program over real maps, filled by the real plan. Frames go in and come out by
/// BPF_PROG_TEST_RUN.
final class Testbed {
    private(set) var maps: DataplaneMaps
    let flows: MappedArray<l4lb_flow>
    /// Nil where the program has no IPv6.
    let flows6: MappedArray<l4lb_flow6>?
    let snatPorts: [UInt16]
    var config: l4lb_config
    private(set) var program: BPFProgram
    /// What the user asked for, and how backends are reached.
    var state: DesiredState
    var nextHops: [IPAddress: NextHop] = [:]
    var hostAddresses: Set<IPAddress> = [Place.balancer.address, Place.balancer6.address]
    /// What `--snat-addresses` and its like say; the constants have to be told in `configure`.
    var sources = SourceAddresses()
    private(set) var contents = MapContents()
    private(set) var indices: BackendIndices
    private var memory = PlanMemory()
    private var tables: [UInt16: BPFMap] = [:]
    private let affinity: BPFMap

    static let defaultPorts = [UInt16](20000..<24000)

    init(
        _ build: Build, ipv6: Bool = false, connections: Int = 1024, snatPorts: [UInt16] = defaultPorts,
        configure: (inout l4lb_config) -> Void = { _ in }
    ) throws {
        let compiled = try Programs.program(Paths(build.paths.modes, ipv6: ipv6))
        let sizes = MapSizes(mapMax: 64, connections: connections)
        config = Programs.config(records: sizes.records, portCount: snatPorts.count)
        configure(&config)
        var maps = try compiled.createMaps(sizes, config: config)
        program = try compiled.load(maps: &maps, config: config)
        self.maps = maps
        flows = try MappedArray(try #require(maps.all.first { $0.name == "flows" }), elements: sizes.slots)
        flows6 = try maps.ipv6.map {
            try MappedArray(try #require($0.all.first { $0.name == "flows6" }), elements: sizes.slots)
        }
        affinity = try #require(maps.all.first { $0.name == "affinity" })
        self.snatPorts = snatPorts
        let unused = [UInt16](repeating: 0, count: 65536 - snatPorts.count)
        try maps.snatPorts.update(UInt32(0), elements: snatPorts.map(\.bigEndian) + unused)
        state = DesiredState(mode: build.mode, mapMax: sizes.mapMax)
        indices = BackendIndices(capacity: sizes.mapMax)
        for (backends, balancer, other) in [
            (Place.backends, Place.balancer, Place.balancer6), (Place.backends6, Place.balancer6, Place.balancer),
        ] {
            for backend in backends {
                nextHops[backend.address] = NextHop(
                    interface: 1, ourAddress: balancer.link, source: balancer.address,
                    otherSource: other.address, neighbour: backend.address, linkAddress: backend.link)
            }
        }
    }

    // MARK: What the user does

    /// `service update`, in its own words; backends as numbers of `Place.backend`, of the
    /// frontend's family.
    func serve(
        _ frontend: String = "40.1.1.1:80", _ backends: [Int] = [1, 2, 3, 4], states: String? = nil,
        algorithm: String? = nil, affinity: String? = nil, sourceRanges: String? = nil, policy: String? = nil
    ) throws {
        let places = backends.map(frontend.hasPrefix("[") ? Place.backend6 : Place.backend)
        let list = places.map { "\(Endpoint($0.address, port: Place.backendPort))" }.joined(separator: ",")
        try serve(
            ServiceRequest.Texts(
                frontend: frontend, backends: list, states: states, algorithm: algorithm, affinity: affinity,
                sourceRanges: sourceRanges, sourceRangesPolicy: policy))
    }

    func serve(_ texts: ServiceRequest.Texts) throws {
        _ = try state.update(try ServiceRequest(texts), origin: .command)
        try apply()
    }

    /// The same service for TCP and UDP.
    func serveBoth(_ backends: [Int] = [1, 2, 3, 4], states: String? = nil) throws {
        for transport in TransportProtocol.allCases { try serve("40.1.1.1:80/\(transport)", backends, states: states) }
    }

    func updateMode(_ mode: Mode) throws {
        try state.setMode(mode)
        try apply()
    }

    /// Brings the maps to what the plan says; ticks of affinity are as long as a second.
    func apply() throws {
        let plan = try Plan(
            PlanInput(
                state: state, nextHops: nextHops, hostAddresses: hostAddresses,
                oldSources: FlowCensus(try snapshot()).sources, sources: sources, maglevSize: Programs.maglevSize,
                maglevSeed: Programs.maglevSeed, tick: 1), indices: indices, previous: memory)
        try maps.apply(plan.contents.edits(from: contents), to: &contents, tables: &tables)
        indices = plan.indices
        memory.remember(plan, of: state)
    }

    // MARK: Packets

    func send(_ frame: [UInt8]) throws -> Outcome {
        let result = try program.testRun(frame)
        return Outcome(verdict: try #require(Verdict(rawValue: result.verdict)), frame: result.frame)
    }

    func send(_ packet: Packet) throws -> Outcome { try send(packet.bytes) }

    /// Another program over the same maps, as after `mode update` or on another device.
    func loadAnew(_ paths: Paths, configure: (inout l4lb_config) -> Void = { _ in }) throws {
        var config = config
        configure(&config)
        program = try Programs.program(paths).load(maps: &maps, config: config)
    }

    // MARK: Time

    /// The tick that the program sees: it stays the same over a test.
    func now() throws -> UInt32 {
        UInt32(truncatingIfNeeded: try Programs.clock.get().jiffies() >> UInt64(config.clock_shift))
    }

    /// Lets ticks pass: everything that was remembered becomes older.
    func pass(_ ticks: UInt32, affinityOf client: IPAddress? = nil) throws {
        for slot in 0..<flows.count {
            var flow = flows[slot]
            guard flow.protocol != 0 else { continue }
            flow.age(ticks)
            flows.store(flow, slot)
        }
        if let flows6 {
            for slot in 0..<flows6.count where flows6[slot].flow.protocol != 0 {
                var flow = flows6[slot]
                flow.flow.age(ticks)
                flows6.store(flow, slot)
            }
        }
        for index in 0..<maps.sizes.mapMax {
            var totals = maps.totals[index]
            totals.ports_used_up &-= ticks
            maps.totals.store(totals, index)
        }
        if let client {
            let key = l4lb_affinity_key(client: l4lb_address(client), service: 1, pad: 0)
            var known = try #require(try affinity.lookup(key, initial: l4lb_affinity()))
            known.stamp &-= ticks
            try affinity.update(key, known)
        }
    }

    // MARK: What is remembered

    func snapshot() throws -> FlowSnapshot {
        FlowSnapshot(flows: maps.readFlows(), now: try now(), clock: Clock(hertz: 250), timeouts: Timeouts())
    }

    func connections() throws -> [Connection] {
        try snapshot().connections(where: { _ in true }, keys: indices.key(at:))
    }

    /// Counters that are not zero, by the names that `status` shows.
    func counters() throws -> [String: UInt64] {
        var found: [String: UInt64] = [:]
        let all =
            DropReason.allCases.map { ($0.rawValue, $0.counter) }
            + EventCounter.allCases.map { ($0.rawValue, $0.counter) }
        for (name, counter) in all {
            let value = try maps.counters.sums(counter)?.first ?? 0
            if value != 0 { found[name] = value }
        }
        return found
    }
}

extension l4lb_flow {
    fileprivate mutating func age(_ ticks: UInt32) {
        stamp &-= ticks
        if kind != L4LB_FLOW_REPLY.rawValue { created &-= ticks }
    }
}

enum Verdict: UInt32 {
    case aborted, drop, pass, transmit, redirect
}

struct Outcome: Equatable {
    var verdict: Verdict
    var frame: [UInt8]

    /// The frame that leaves, its checksums checked.
    func sent(_ comment: Comment? = nil, _ location: SourceLocation = #_sourceLocation) throws -> Packet {
        #expect(verdict == .transmit, comment, sourceLocation: location)
        return try #require(Packet(frame), comment ?? "lengths or checksums are wrong", sourceLocation: location)
    }
}
