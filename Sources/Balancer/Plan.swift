import Addresses
import CDataplane

/// What the plan is made from, beside the desired state.
public struct PlanInput: Sendable {
    public var state: DesiredState
    /// By backend address; a backend without an entry has no route.
    public var nextHops: [IPAddress: NextHop]
    /// The host's own addresses: of a frontend there, only its ports are ours.
    public var hostAddresses: Set<IPAddress>
    /// Addresses that living SNAT connections use, though no route prefers them any more.
    public var oldSources: Set<IPAddress>
    /// Where new SNAT connections and the outer packets of DSR come from, where the user says so.
    public var sources: SourceAddresses
    /// What is known of the backends that are checked.
    public var health: HealthBook
    public var maglevSize: Int
    public var maglevSeed: UInt64
    /// Length of a tick of the data plane's clock, in seconds.
    public var tick: Double

    public init(
        state: DesiredState, nextHops: [IPAddress: NextHop], hostAddresses: Set<IPAddress>,
        oldSources: Set<IPAddress> = [], sources: SourceAddresses = SourceAddresses(),
        health: HealthBook = HealthBook(), maglevSize: Int, maglevSeed: UInt64, tick: Double
    ) {
        self.state = state
        self.nextHops = nextHops
        self.hostAddresses = hostAddresses
        self.oldSources = oldSources
        self.sources = sources
        self.health = health
        self.maglevSize = maglevSize
        self.maglevSeed = maglevSeed
        self.tick = tick
    }
}

extension PlanInput {
    /// A service's backends as packets meet them.
    func backends(of service: Service) -> [Backend] { health.apply(to: service) }

    /// All ports of the host's own address would take the host's own traffic. Such a service is refused; where the
    /// address was added to the host later, new connections are not taken.
    public func isWithheld(_ service: Service) -> Bool {
        service.frontend.endpoint.isAllPorts && hostAddresses.contains(service.frontend.endpoint.address)
    }
}

/// The decision what the maps shall hold.
public struct Plan: Sendable {
    public let contents: MapContents
    /// With the places of backends that are new.
    public let indices: BackendIndices
    /// What each table was made for, by service id.
    fileprivate let backends: [UInt16: [Backend]]

    /// `previous` supplies tables whose service has not changed, as they are dear to make.
    public init(_ input: PlanInput, indices: BackendIndices, previous: PlanMemory = PlanMemory()) throws(BalancerError)
    {
        var indices = indices
        var contents = MapContents()
        var backends: [UInt16: [Backend]] = [:]
        for service in input.state.sortedServices {
            for backend in service.backends {
                let key = BackendKey(frontend: service.frontend, backend: backend.endpoint)
                guard indices.index(for: key) != nil else {
                    throw .refused(
                        "\(service.frontend): all \(indices.capacity) places for backends are taken, some by backends that have left but still have connections: raise --bpf-lb-map-max or wait"
                    )
                }
            }
            backends[service.id] = input.backends(of: service)
            contents.add(
                service, backends: backends[service.id] ?? [], input: input, indices: indices, previous: previous)
        }
        // A backend that has left keeps its entry while connections name it.
        let current = Set(contents.backends.keys)
        for (key, index) in indices.all where !current.contains(index) {
            guard let id = previous.serviceIDs[key.frontend] else { continue }
            contents.backends[index] = l4lb_backend(
                key.backend, service: id, state: .draining, active: false, input: input)
            // Their packets have to pass the sieve, though the service itself may be gone.
            contents.filter.insert(key, input: input)
        }
        for source in input.oldSources { contents.filter.insert(source) }
        contents.add(input.sources, hostAddresses: input.hostAddresses)
        self.contents = contents
        self.indices = indices
        self.backends = backends
    }
}

/// What earlier plans knew and this one may use.
public struct PlanMemory: Sendable {
    /// The backends that a service's table was made for, and the table.
    public var tables: [UInt16: (backends: [Backend], frontend: Frontend, table: [UInt16])] = [:]
    /// Ids that services of living connections have or had.
    public var serviceIDs: [Frontend: UInt16] = [:]

    public init() {}

    public mutating func remember(_ plan: Plan, of state: DesiredState) {
        tables = [:]
        for service in state.services.values {
            serviceIDs[service.frontend] = service.id
            if let table = plan.contents.tables[service.id] {
                tables[service.id] = (plan.backends[service.id] ?? [], service.frontend, table)
            }
        }
        let named = Set(plan.indices.all.keys.map(\.frontend))
        serviceIDs = serviceIDs.filter { named.contains($0.key) }
    }
}

extension MapContents {
    fileprivate mutating func add(
        _ service: Service, backends wanted: [Backend], input: PlanInput, indices: BackendIndices, previous: PlanMemory
    ) {
        let address = service.frontend.endpoint.address
        if !input.hostAddresses.contains(address) { addresses.insert(Key(l4lb_address(address))) }
        var places: [UInt16] = []
        for backend in wanted {
            let key = BackendKey(frontend: service.frontend, backend: backend.endpoint)
            guard let index = indices[key] else { continue }
            places.append(index)
            backends[index] = l4lb_backend(
                backend.endpoint, service: service.id, state: backend.state, active: backend.takesConnections,
                input: input)
            filter.insert(key, input: input)
        }
        guard !input.isWithheld(service) else { return }
        let usable = wanted.contains(where: \.takesConnections)
        let table =
            usable ? Self.table(of: service, backends: wanted, places: places, input: input, previous: previous) : nil
        tables[service.id] = table
        for range in service.sourceRanges {
            sourceRanges.insert(Key(l4lb_source_range_key(range, service: service.id)))
        }
        let key = Key(l4lb_service_key(service.frontend))
        accounts[service.id] = key
        services[key] = l4lb_service(
            service, mode: input.state.mode(of: service), usable: table != nil, tick: input.tick)
    }

    private static func table(
        of service: Service, backends: [Backend], places: [UInt16], input: PlanInput, previous: PlanMemory
    ) -> [UInt16] {
        if let known = previous.tables[service.id], known.frontend == service.frontend,
            known.backends == backends, known.table.count == input.maglevSize
        {
            return known.table
        }
        let named = backends.map {
            (name: "\($0.endpoint)/\(service.frontend.transport)", weight: $0.takesConnections ? $0.weight : 0)
        }
        return MaglevTable(backends: named, size: input.maglevSize, seed: input.maglevSeed)
            .slots.map { places[Int($0)] }
    }
}

extension Filter {
    /// What packets of a backend's connections are sent to: the frontend, and the balancer itself.
    fileprivate mutating func insert(_ key: BackendKey, input: PlanInput) {
        insert(key.frontend)
        if let hop = input.nextHops[key.backend.address] { insert(hop.source) }
    }
}
