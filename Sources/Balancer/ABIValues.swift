import Addresses
import CDataplane

/// The ABI's structs, made from the domain's values.
extension l4lb_service_key {
    init(_ frontend: Frontend) {
        self.init(
            address: l4lb_address(frontend.endpoint.address), port: frontend.endpoint.port.networkOrder,
            protocol: frontend.transport.rawValue, pad: 0)
    }
}

extension l4lb_service {
    init(_ service: Service, mode: Mode, usable: Bool, tick: Double) {
        var flags: UInt32 = 0
        if service.algorithm == .random { flags |= L4LB_SERVICE_RANDOM.rawValue }
        if service.affinity != nil { flags |= L4LB_SERVICE_AFFINITY.rawValue }
        if !service.sourceRanges.isEmpty {
            let isAllowed = service.sourceRangesPolicy == .allow
            flags |= (isAllowed ? L4LB_SERVICE_SOURCE_RANGES : L4LB_SERVICE_SOURCE_DENY).rawValue
        }
        if !usable { flags |= L4LB_SERVICE_UNUSABLE.rawValue }
        if service.maxNewConnections != nil { flags |= L4LB_SERVICE_LIMITED.rawValue }
        // In 1/1024 of a connection.
        let most = UInt64(service.maxNewConnections ?? 0) * 1024
        self.init(
            id: service.id, mode: mode.abi, flags: UInt8(flags),
            affinity_ticks: UInt32(Double(service.affinity ?? 0) / tick),
            new_per_tick: UInt64((Double(most) * tick).rounded()), new_most: most)
    }
}

extension l4lb_backend {
    init(_ endpoint: Endpoint, service: UInt16, state: BackendState, active: Bool, input: PlanInput) {
        let hop = input.nextHops[endpoint.address]
        var flags: UInt32 = 0
        if hop?.linkAddress != nil { flags |= L4LB_BACKEND_REACHABLE.rawValue }
        if let hop, !hop.isCurrent { flags |= L4LB_BACKEND_NO_ROUTE.rawValue }
        if active { flags |= L4LB_BACKEND_ACTIVE.rawValue }
        if state == .maintenance { flags |= L4LB_BACKEND_MAINTENANCE.rawValue }
        if endpoint.address.isIPv6 { flags |= L4LB_BACKEND_IPV6.rawValue }
        self.init()
        next_hop = (hop?.linkAddress ?? .zero).octetTuple
        our_mac = (hop?.ourAddress ?? .zero).octetTuple
        port = endpoint.port.networkOrder
        self.flags = UInt8(flags)
        ifindex = hop?.interface ?? 0
        self.service = service
        mtu = UInt16(clamping: hop?.mtu ?? 0)
        switch endpoint.address {
        case .v4(let v4): address = v4.networkOrder
        case .v6: address6 = l4lb_address(endpoint.address)
        }
        for case let address? in [hop?.source, hop?.otherSource] {
            switch address {
            case .v4(let v4): source = v4.networkOrder
            case .v6: source6 = l4lb_address(address)
            }
        }
    }
}

extension l4lb_source_range_key {
    /// Behind the service, a prefix of IPv4 begins with the 96 bits that its addresses are mapped with.
    init(_ range: IPPrefix, service: UInt16) {
        self.init(
            prefix_length: 32 + (range.address.isIPv6 ? 0 : 96) + UInt32(range.length), service: UInt32(service),
            address: l4lb_address(range.address))
    }
}

extension l4lb_probe {
    /// `backend`: what the probe's socket, at `source`, is connected to; inside the tunnel its packets go from
    /// `innerSource` to the frontend's address, at the same port.
    public init(source: IPAddress, backend: Endpoint, innerSource: IPAddress, frontend: IPAddress) {
        self.init(
            source: l4lb_address(source), backend: l4lb_address(backend.address),
            inner_source: l4lb_address(innerSource), frontend: l4lb_address(frontend),
            port: backend.port.networkOrder, outer: backend.address.isIPv6 ? 6 : 4, inner: frontend.isIPv6 ? 6 : 4)
    }
}
