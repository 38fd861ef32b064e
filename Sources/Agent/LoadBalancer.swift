import Addresses
import BPF
import Balancer
import CDataplane
import Logging
import Netlink

/// The load balancer at work: what the user asked for, the packet path, and the network around it.
/// One actor owns them all, so that the commands and the timer never meet half-way.
public actor LoadBalancer {
    public let options: AgentOptions
    public private(set) var devices: [Device]
    let log: Logger
    let compiler: Compiler
    let dataplane: Dataplane
    var network: HostNetwork
    var state: DesiredState
    var indices: BackendIndices
    var memory = PlanMemory()
    /// The census of the last collection.
    var census: FlowCensus
    /// What the timer measured last.
    var measurement: Measurement
    let started = ContinuousClock.now
    var reconciliations = Metrics.Work()
    var compilations = Metrics.Work()
    /// What backends had carried whose places were released.
    var departedTotals = DepartedTotals()
    /// Backends that had left their service at the last collection.
    var departed: Set<BackendKey> = []
    var programs: [Paths: PacketProgram] = [:]
    /// Those of `explain`.
    var dryPrograms: [Paths: PacketProgram] = [:]
    var compiling: [Task<PacketProgram, any Error>] = []
    var reachability: [IPAddress: Result<NextHop, NoRoute>] = [:]
    private var pendingChange: NetlinkMonitor.Change = []
    /// Services on all ports whose address the host has been given meanwhile.
    private var withheld: Set<Frontend> = []
    /// Devices that have been removed from the host.
    private var lost: Set<String> = []
    private var bpfMount: BPFMount?
    /// Nil where nothing is to outlive the agent.
    private var stateFile: StateFile?
    private let pins: Pins?
    /// The last way to each backend, for the connections that are on it.
    private var lastHops: [IPAddress: NextHop] = [:]
    /// What is known of the backends that are checked, and who asks them.
    var health = HealthBook()
    var checks = HealthChecks()
    private var watch: NetworkWatch?
    private var timer: Task<Void, Never>?
    /// Where samples of drops are read while somebody listens.
    var dropRing: RingBuffer?
    public internal(set) var isRunning = true
    /// Whether a packet path was at work before.
    public let tookOver: Bool
    /// Takes back what is not confirmed in time.
    var expiry: Task<Void, Never>?

    /// Compiles, loads and attaches; what has been done is undone where a step fails.
    public init(_ options: AgentOptions, environment: [String: String], log: Logger) throws {
        self.options = options
        self.log = log
        try Privileges.check()
        bpfMount = try BPFMount(options.bpfRoot)
        var network = try HostNetwork()
        var devices: [Device] = []
        for name in options.devices { devices.append(try network.device(name)) }
        try network.check(options.sources, device: devices[0].name)
        compiler = try Compiler.find(flag: options.clang, environment: environment)
        let snatPorts = try Sysctl.snatPorts(allowed: options.snatPorts)
        pins = options.outlives ? try Pins(bpfRoot: options.bpfRoot) : nil
        stateFile = options.outlives ? StateFile(path: options.stateFile) : nil
        let saved = try stateFile?.read()
        let old = try pins.flatMap { pins in
            try AdoptedPath(pins, devices: devices, options: options, network: &network)
        }
        tookOver = old != nil
        let restored = try Self.restore(saved, isAtWork: tookOver, options: options)
        state = restored.state
        indices = restored.indices
        memory.serviceIDs = restored.serviceIDs
        health.follow(restored.state)
        health.restore(restored.down, isAtWork: old != nil)
        // A packet path is never at work without it.
        if saved == nil {
            try stateFile?.save(restored.state, indices: restored.indices, serviceIDs: [:])
        }
        // Which modes the connections of an earlier agent have is not known yet.
        let wanted = restored.state.paths
        let paths = old.map { wanted.union(Paths(Set(Mode.allCases), ipv6: $0.hasIPv6)) } ?? wanted
        do {
            dataplane = try Dataplane(
                options: options, devices: devices, paths: paths, compiler: compiler, snatPorts: snatPorts,
                network: &network, pins: pins, old: old)
        } catch {
            if old == nil { pins?.removeAll() }
            throw error
        }
        try network.adoptNeighbours(on: devices.map(\.index))
        self.devices = devices
        self.network = network
        let gone = dataplane.totals(of: indices.all.values)
        let census = FlowCensus(try dataplane.snapshot())
        self.census = census
        measurement = Measurement(uptime: 0, gone: gone, census: census)
        if old != nil {
            log.notice("took over the packet path with \(census.connections.values.reduce(0, +)) connections")
        }
    }

    /// Follows the network and collects dead connections from now on.
    public func start() async throws {
        ProbeTunnel.sweep(devices.map(\.index))
        // The maps have link addresses that packets go by, which this agent would take away until it knows them too.
        if tookOver { _ = try await learnNeighbours(backendAddresses) }
        // What an earlier agent has left half-done is made true before anything else.
        try reconcile()
        awaitConfirmation()
        watch = try NetworkWatch { [weak self] change in
            Task { await self?.networkChanged(change) }
        }
        timer = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                await self?.tick()
            }
        }
    }

    /// Ends it: nothing is left behind, neither in the kernel nor by a compiler at work; but where the packet path
    /// outlives the agent, it goes on unless `detaches`.
    public func stop(detaches: Bool = false) async {
        guard isRunning else { return }
        isRunning = false
        timer?.cancel()
        expiry?.cancel()
        watch = nil
        await endHealthChecks()
        let ends = pins == nil || detaches
        if ends { dataplane.detach() } else { bpfMount?.keep() }
        for task in compiling {
            task.cancel()
            _ = await task.result
        }
        // Else the next agent has them, or `detach` gives them back.
        if ends { network.release(except: []) }
        bpfMount = nil
    }

    // MARK: Reconciling

    /// Makes the maps hold what the desired state and the network say.
    func reconcile(routesChanged: Bool = false) throws {
        guard isRunning else { return }
        let start = ContinuousClock.now
        var isDone = false
        defer { reconciliations.add(ContinuousClock.now - start, failed: !isDone) }
        try network.readNeighbours()
        if routesChanged { network.forgetRoutes() }
        var nextHops: [IPAddress: NextHop] = [:]
        reachability = [:]
        for address in backendAddresses {
            let result = try network.nextHop(to: address, devices: devices)
            reachability[address] = result
            switch result {
            case .success(let hop):
                nextHops[address] = hop
                try network.keepFresh(hop)
            case .failure:
                nextHops[address] = lastHops[address]
                nextHops[address]?.isCurrent = false
            }
        }
        lastHops = nextHops
        health.follow(state)
        network.release(
            except: Set(nextHops.values.map { .init(interface: Int32($0.interface), address: $0.neighbour) }))
        let input = PlanInput(
            state: state, nextHops: nextHops, hostAddresses: try network.hostAddresses(), oldSources: census.sources,
            sources: options.sources, health: health, maglevSize: options.maglevSize, maglevSeed: options.maglevSeed,
            tick: dataplane.clock.tick)
        tellWithheld(input)
        let plan = try Plan(input, indices: indices, previous: memory)
        for (key, index) in plan.indices.all where indices[key] == nil {
            dataplane.forgetTotals(of: index)
            measurement.forget(index)
        }
        indices = plan.indices
        // First, so that no crash finds the maps ahead of it.
        try save()
        try dataplane.apply(plan.contents.edits(from: dataplane.contents))
        memory.remember(plan, of: state)
        departedTotals.keep(only: state)
        check(nextHops)
        isDone = true
    }

    private func save() throws {
        try stateFile?.save(state, indices: indices, serviceIDs: memory.serviceIDs, down: health.down)
    }

    private func tellWithheld(_ input: PlanInput) {
        let now = Set(state.services.values.filter(input.isWithheld).map(\.frontend))
        for frontend in now.subtracting(withheld).sorted() {
            log.error(
                "\(frontend) takes no new connections: its address is the host's own now, which needs its ports: take the address away, or give the service single ports"
            )
        }
        withheld = now
    }

    /// Addresses of all backends, those that have left but still have connections too.
    private var backendAddresses: Set<IPAddress> {
        var addresses = Set(indices.all.keys.map(\.backend.address))
        for service in state.services.values {
            for backend in service.backends { addresses.insert(backend.endpoint.address) }
        }
        return addresses
    }

    /// Changes come in bursts, so a first one waits for those behind it.
    private func networkChanged(_ change: NetlinkMonitor.Change) async {
        let isFirst = pendingChange.isEmpty
        pendingChange.formUnion(change)
        guard isFirst else { return }
        try? await Task.sleep(for: .milliseconds(30))
        let all = pendingChange
        pendingChange = []
        do {
            if !all.isDisjoint(with: [.links, .lost]) { try followDevices() }
            // Connections that began since the last census may use an address that goes.
            if all != .neighbours, isRunning { census = FlowCensus(try dataplane.snapshot()) }
            try reconcile(routesChanged: all != .neighbours)
        } catch {
            log.error("cannot follow a change of the network: \(error)")
        }
    }

    /// A device may be given another MTU, or another link address, which is a constant of its program.
    private func followDevices() throws {
        guard isRunning else { return }
        for (place, device) in devices.enumerated() {
            guard let now = network.refreshed(device) else {
                if lost.insert(device.name).inserted {
                    log.error("\(device.name) is gone: its packets are not balanced")
                }
                continue
            }
            devices[place] = now
            guard now.address != device.address else { continue }
            try dataplane.setAddress(now.address, place: place)
            log.info("\(device.name) has the link address \(now.address) now")
        }
    }

    // MARK: The timer

    func tick() async {
        guard isRunning else { return }
        do {
            try collect()
            await leaveOldPaths()
            // Link addresses that are still missing are asked for again.
            try reconcile()
        } catch {
            log.error("\(error)")
        }
    }

    /// Frees what has ended: connections, then places of backends that have left.
    private func collect() throws {
        guard isRunning else { return }
        let gone = dataplane.totals(of: indices.all.values)
        let snapshot = try dataplane.snapshot()
        let uptime = uptime
        dataplane.collect(snapshot)
        census = FlowCensus(snapshot)
        measurement = Measurement(uptime: uptime, gone: gone, census: census, previous: measurement)
        dataplane.settle(census)
        let current = Set(
            state.services.values.flatMap { service in
                service.backends.map { BackendKey(frontend: service.frontend, backend: $0.endpoint) }
            })
        let left = indices.all.filter { !current.contains($0.key) }
        // A packet in flight at the last collection may have begun a connection since, so only
        // those go that had left by then.
        for (key, index) in left where departed.contains(key) && !census.names(index) {
            if state.service(of: key.frontend) != nil {
                departedTotals.add(dataplane.totals(of: [index])[index] ?? l4lb_totals(), of: key.frontend)
            }
            indices.release(key)
        }
        departed = Set(left.keys)
    }
}
