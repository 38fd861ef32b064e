import Addresses
import Balancer
import CDataplane

/// `explain`: what happens to one flow's next packet, and why.
extension LoadBalancer {
    public struct Explanation: Sendable {
        /// Nil where none is at the packet's destination.
        public var service: ServiceState?
        /// The connection that the packet belongs to, and its place in the flow table.
        public var connection: (connection: Connection, slot: UInt32)?
        /// The one of the connection, or the one that a new connection would get.
        public var backend: Backend?
        /// Nil where it is not checked.
        public var health: BackendHealth?
        public var nextHop: NextHop?
        /// The device that the client's packets come in by, and the one that the next hop is behind.
        public var input: String
        public var output: String?
        public var finding: Finding
    }

    /// Looks at the tables, and has the program itself judge such a packet, compiled so that it writes nothing down.
    public func explain(client: Endpoint, frontend: Frontend) async throws -> Explanation {
        let program = try await dryProgram()
        let snapshot = try dataplane.snapshot()
        let found = snapshot.flows.first { place, flow in
            flow.kind != .reply && flow.source == client && flow.destination == frontend.endpoint
                && flow.transport == frontend.transport && !snapshot.hasEnded(flow, at: place)
        }
        let place = try deviceTowards(client.address)
        let link = (to: devices[place].address, from: LinkAddress(value: 0x0200_0000_0000))
        let frame =
            switch frontend.transport {
            case .tcp: PacketFrame.tcp(from: client, to: frontend.endpoint, found == nil ? .syn : .ack, link: link)
            case .udp: PacketFrame.udp(from: client, to: frontend.endpoint, data: Array("explain.".utf8), link: link)
            }
        let finding = try dataplane.finding(of: frame, by: program, place: place)
        let key = (finding.newBackend ?? found?.value.backend).flatMap { indices.key(at: $0) }
        let service = state.service(of: frontend) ?? state.service(of: frontend.onAllPorts)
        let nextHop = try key.flatMap { try network.nextHop(to: $0.backend.address, devices: devices).success }
        return Explanation(
            service: try service.map { try serviceState(id: $0.id) },
            connection: found.flatMap { place, flow in
                snapshot.connection(flow, at: place) { indices.key(at: $0) }.map { ($0, place.slot) }
            },
            backend: key.map { key in
                service?.backends.first { $0.endpoint == key.backend } ?? Backend(key.backend, state: .draining)
            },
            health: key.flatMap { health[$0] }, nextHop: nextHop, input: devices[place].name,
            output: nextHop.flatMap { hop in devices.first { $0.index == hop.interface }?.name }, finding: finding)
    }

    /// The place of the device by which a client is reached, or of the first one.
    private func deviceTowards(_ client: IPAddress) throws -> Int {
        guard let hop = try network.nextHop(to: client, devices: devices).success else { return 0 }
        return devices.firstIndex { $0.index == hop.interface } ?? 0
    }
}

extension Result {
    fileprivate var success: Success? { try? get() }
}
