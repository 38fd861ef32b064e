import Addresses
import BPF
import CDataplane
import Testing

@testable import Agent
@testable import Balancer

/// The compiled program over real maps, filled by the real plan. Frames go in and come out by
/// BPF_PROG_TEST_RUN.
final class Testbed {
    let maps: DataplaneMaps
    let flows: MappedArray<l4lb_flow>
    let snatPorts: [UInt16]
    var config: l4lb_config
    private(set) var program: BPFProgram
    /// What the user asked for, and how backends are reached.
    var state: DesiredState
    var nextHops: [IPv4Address: NextHop] = [:]
    var hostAddresses: Set<IPv4Address> = [Place.balancer.address]
    private(set) var contents = MapContents()
    private(set) var indices: BackendIndices
    private var memory = PlanMemory()
    private var tables: [UInt16: BPFMap] = [:]
    private let affinity: BPFMap

    static let defaultPorts = [UInt16](20000..<24000)

    init(
        _ build: Build, connections: Int = 1024, snatPorts: [UInt16] = defaultPorts,
        configure: (inout l4lb_config) -> Void = { _ in }
    ) throws {
        let compiled = try Programs.program(build.paths)
        let sizes = MapSizes(mapMax: 64, connections: connections)
        config = Programs.config(sets: sizes.sets, portCount: snatPorts.count)
        configure(&config)
        maps = try compiled.createMaps(sizes, config: config)
        program = try compiled.load(maps: maps, config: config)
        flows = try MappedArray(try #require(maps.all.first { $0.name == "flows" }), elements: sizes.slots)
        affinity = try #require(maps.all.first { $0.name == "affinity" })
        self.snatPorts = snatPorts
        let unused = [UInt16](repeating: 0, count: 65536 - snatPorts.count)
        try maps.snatPorts.update(UInt32(0), elements: snatPorts.map(\.bigEndian) + unused)
        state = DesiredState(mode: build.mode, mapMax: sizes.mapMax)
        indices = BackendIndices(capacity: sizes.mapMax)
        for backend in Place.backends {
            nextHops[backend.address] = NextHop(
                interface: 1, ourAddress: Place.balancer.link, source: Place.balancer.address,
                neighbour: .v4(backend.address), linkAddress: backend.link)
        }
    }

    // MARK: What the user does

    /// `service update`, in its own words; backends as numbers of `Place.backend`.
    func serve(
        _ frontend: String = "40.1.1.1:80", _ backends: [Int] = [1, 2, 3, 4], states: String? = nil,
        algorithm: String? = nil, affinity: String? = nil, sourceRanges: String? = nil
    ) throws {
        let list = backends.map { "\(Place.backend($0).address):\(Place.backendPort)" }.joined(separator: ",")
        let request = try ServiceRequest(
            ServiceRequest.Texts(
                frontend: frontend, backends: list, states: states, algorithm: algorithm, affinity: affinity,
                sourceRanges: sourceRanges))
        _ = try state.update(request, origin: .command)
        try apply()
    }

    /// The same service for TCP and UDP.
    func serveBoth(_ backends: [Int] = [1, 2, 3, 4], states: String? = nil) throws {
        for transport in TransportProtocol.allCases { try serve("40.1.1.1:80/\(transport)", backends, states: states) }
    }

    func updateMode(_ mode: Mode) throws {
        state.mode = mode
        try apply()
    }

    /// Brings the maps to what the plan says; ticks of affinity are as long as a second.
    func apply() throws {
        let plan = try Plan(
            PlanInput(
                state: state, nextHops: nextHops, hostAddresses: hostAddresses,
                oldSources: FlowCensus(try snapshot()).sources, maglevSize: Programs.maglevSize,
                maglevSeed: Programs.maglevSeed, tick: 1), indices: indices, previous: memory)
        for edit in plan.contents.edits(from: contents) { try write(edit) }
        indices = plan.indices
        contents = plan.contents
        memory.remember(plan, of: state)
    }

    private func write(_ edit: Edit) throws {
        switch edit {
        case .setBackend(let index, let backend): try maps.backends.update(UInt32(index), backend)
        case .clearBackend(let index): try maps.backends.update(UInt32(index), l4lb_backend())
        case .setTable(let id, let slots):
            let table = try tables[id] ?? BPFMap(arrayOf: slots.count * 2, name: "maglev_table")
            try table.update(UInt32(0), elements: slots)
            guard tables.updateValue(table, forKey: id) == nil else { return }
            try maps.maglev.update(keys: [UInt32(id)], maps: [table])
        case .removeTable(let id):
            try maps.maglev.remove(UInt32(id))
            tables[id] = nil
        case .setFilter(let filter): try maps.filter.update(UInt32(0), elements: filter.words)
        case .setAddress(let address): try maps.addresses.update(address, L4LB_ADDRESS_FRONTEND.rawValue)
        case .removeAddress(let address): try maps.addresses.remove(address)
        case .setSourceRange(let key): try maps.sourceRanges.update(key, UInt32(1))
        case .removeSourceRange(let key): try maps.sourceRanges.remove(key)
        case .setService(let key, let service): try maps.services.update(key, service)
        case .removeService(let key): try maps.services.remove(key)
        }
    }

    // MARK: Packets

    func send(_ frame: [UInt8]) throws -> Outcome {
        let result = try program.testRun(frame)
        return Outcome(verdict: try #require(Verdict(rawValue: result.verdict)), frame: result.frame)
    }

    func send(_ packet: Packet) throws -> Outcome { try send(packet.bytes) }

    /// Another program over the same maps, as after `mode update` or on another device.
    func loadAnew(_ paths: Set<Mode>, configure: (inout l4lb_config) -> Void = { _ in }) throws {
        var config = config
        configure(&config)
        program = try Programs.program(paths).load(maps: maps, config: config)
    }

    // MARK: Time

    /// The tick that the program sees: it stays the same over a test.
    func now() throws -> UInt32 {
        UInt32(truncatingIfNeeded: try Programs.clock.get().jiffies() >> UInt64(config.clock_shift))
    }

    /// Lets ticks pass: everything that was remembered becomes older.
    func pass(_ ticks: UInt32, affinityOf client: IPv4Address? = nil) throws {
        for slot in 0..<flows.count {
            var flow = flows[slot]
            guard flow.protocol != 0 else { continue }
            flow.stamp &-= ticks
            if flow.kind != L4LB_FLOW_REPLY.rawValue { flow.created &-= ticks }
            flows.store(flow, slot)
        }
        for index in 0..<maps.sizes.mapMax {
            var totals = maps.totals[index]
            totals.ports_used_up &-= ticks
            maps.totals.store(totals, index)
        }
        if let client {
            let key = l4lb_affinity_key(client: client.networkOrder, service: 1, pad: 0)
            var known = try #require(try affinity.lookup(key, initial: l4lb_affinity()))
            known.stamp &-= ticks
            try affinity.update(key, known)
        }
    }

    // MARK: What is remembered

    func snapshot() throws -> FlowSnapshot {
        FlowSnapshot(flows: maps.flowTable.read(), now: try now(), clock: Clock(hertz: 250), timeouts: Timeouts())
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
            let value = try maps.counters.perProcessor(counter).reduce(0, +)
            if value != 0 { found[name] = value }
        }
        return found
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
