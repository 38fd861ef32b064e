import Addresses
import CDataplane

/// The ABI's structs, made from the domain's values.
extension l4lb_service_key {
    init(_ frontend: Frontend) {
        guard case .v4(let address) = frontend.endpoint.address else {
            preconditionFailure("IPv6 frontends are refused where requests are read")
        }
        self.init(
            address: address.networkOrder, port: frontend.endpoint.port.networkOrder,
            protocol: frontend.transport.rawValue, pad: 0)
    }
}

extension l4lb_service {
    init(_ service: Service, mode: Mode, usable: Bool, tick: Double) {
        var flags: UInt32 = 0
        if service.algorithm == .random { flags |= L4LB_SERVICE_RANDOM.rawValue }
        if service.affinity != nil { flags |= L4LB_SERVICE_AFFINITY.rawValue }
        if !service.sourceRanges.isEmpty { flags |= L4LB_SERVICE_SOURCE_RANGES.rawValue }
        if !usable { flags |= L4LB_SERVICE_UNUSABLE.rawValue }
        self.init(
            id: service.id, mode: mode.abi, flags: UInt8(flags),
            affinity_ticks: UInt32(Double(service.affinity ?? 0) / tick))
    }
}

extension l4lb_backend {
    init(_ endpoint: Endpoint, service: UInt16, state: BackendState, active: Bool, input: PlanInput) {
        guard case .v4(let address) = endpoint.address else {
            preconditionFailure("IPv6 backends are refused where requests are read")
        }
        let hop = input.nextHops[address]
        var flags: UInt32 = 0
        if hop?.linkAddress != nil { flags |= L4LB_BACKEND_REACHABLE.rawValue }
        if let hop, !hop.isCurrent { flags |= L4LB_BACKEND_NO_ROUTE.rawValue }
        if active { flags |= L4LB_BACKEND_ACTIVE.rawValue }
        if state == .maintenance { flags |= L4LB_BACKEND_MAINTENANCE.rawValue }
        self.init(
            next_hop: (hop?.linkAddress ?? .zero).octetTuple, our_mac: (hop?.ourAddress ?? .zero).octetTuple,
            port: endpoint.port.networkOrder, flags: UInt8(flags), pad: 0, address: address.networkOrder,
            source: hop?.source.networkOrder ?? 0, ifindex: hop?.interface ?? 0, service: service, pad2: 0)
    }
}

extension l4lb_source_range_key {
    init(_ range: IPv4Prefix, service: UInt16) {
        let a = range.address.value
        self.init(
            prefix_length: 16 + UInt32(range.length), service: service,
            address: (UInt8(a >> 24), UInt8(a >> 16 & 255), UInt8(a >> 8 & 255), UInt8(a & 255)), pad: 0)
    }
}
