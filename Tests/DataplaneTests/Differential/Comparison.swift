import Addresses
import Balancer
import CDataplane

@testable import Agent

/// The program and the model side by side: each frame goes through both.
final class Comparison {
    let bed: Testbed
    private(set) var model: ReferenceBalancer
    /// What has been counted so far.
    private var counted: [String: UInt64] = [:]
    var frames = 0
    private(set) var verdicts: [Verdict: Int] = [:]

    /// How many frames went each way, as the model calls them.
    private(set) var ways: [String: Int] = [:]

    init(
        _ build: Build, ipv6: Bool = true, sources: SourceAddresses = SourceAddresses(), services: [String],
        change: (Testbed) throws -> Void = { _ in }
    ) throws {
        bed = try Testbed(build, ipv6: ipv6, connections: 16384) { config in
            // So that reports tell when a connection has ended.
            let (timeouts, clock) = (Timeouts(), Clock(hertz: 250))
            config.timeouts = (
                timeouts.ticks(.syn, clock: clock), timeouts.ticks(.established, clock: clock),
                timeouts.ticks(.closing, clock: clock), timeouts.ticks(.active, clock: clock)
            )
            config.set(sources)
        }
        let timeouts = bed.config.timeouts
        model = ReferenceBalancer(
            link: Place.balancer.link, modes: build.paths.modes, hasIPv6: ipv6, snatPorts: Set(bed.snatPorts),
            timeouts: ReferenceTimeouts(
                syn: timeouts.0, established: timeouts.1, closing: timeouts.2, udp: timeouts.3,
                fragment: bed.config.fragment_ticks), maglevSeed: Programs.maglevSeed)
        bed.sources = sources
        bed.hostAddresses.formUnion(sources.snat)
        model.snatAddresses = sources.snat
        model.outerSources = [sources.rss4, sources.rss6].compactMap { $0 }
        try change(bed)
        for service in services { try serve(service) }
    }

    /// `service update`, in the words of the command line: frontend, backends, options.
    func serve(_ words: String) throws {
        let options = words.split(separator: " ").map(String.init)
        var texts = ServiceRequest.Texts(frontend: options[0], backends: options[1])
        for option in options.dropFirst(2) {
            let parts = option.split(separator: "=").map(String.init)
            switch parts[0] {
            case "states": texts.states = parts[1]
            case "mode": texts.mode = parts[1]
            case "algorithm": texts.algorithm = parts[1]
            case "ranges": texts.sourceRanges = parts[1]
            case "policy": texts.sourceRangesPolicy = parts[1]
            default: preconditionFailure("no option \(option)")
            }
        }
        _ = try bed.state.update(try ServiceRequest(texts), origin: .command)
        try bed.apply()
        tellModel()
    }

    /// Routes and neighbours.
    func changeHop(to backend: IPAddress, _ change: (inout NextHop) -> Void) throws {
        change(&bed.nextHops[backend]!)
        try bed.apply()
        tellModel()
    }

    /// The model knows what the user said, and what routes and neighbours are.
    func tellModel() {
        model.services = [:]
        model.wholeAddresses = []
        for service in bed.state.services.values {
            if !bed.hostAddresses.contains(service.frontend.endpoint.address) {
                model.wholeAddresses.insert(service.frontend.endpoint.address)
            }
            model.serve(reference(service))
        }
        for key in model.backends.keys { model.backends[key]?.hop = hop(key.endpoint.address) }
    }

    private func reference(_ service: Service) -> ReferenceService {
        let backends = service.backends.map { backend in
            return ReferenceBackend(
                address: backend.endpoint.address, port: backend.endpoint.port,
                takesConnections: backend.takesConnections, isInMaintenance: backend.state == .maintenance,
                hop: hop(backend.endpoint.address))
        }
        let places = Dictionary(
            uniqueKeysWithValues: service.backends.enumerated().map { place, backend in
                (BackendKey(frontend: service.frontend, backend: backend.endpoint), place)
            })
        let table = bed.contents.tables[service.id]?.map { places[bed.indices.key(at: $0)!]! }
        return ReferenceService(
            frontend: ReferenceFrontend(
                address: service.frontend.endpoint.address, port: service.frontend.endpoint.port,
                transport: service.frontend.transport.rawValue), mode: service.mode ?? bed.state.mode,
            backends: backends, table: service.algorithm == .maglev ? table : nil,
            clients: service.sourceRanges, refusesClients: service.sourceRangesPolicy == .deny)
    }

    private func hop(_ address: IPAddress) -> ReferenceHop {
        let hop = bed.nextHops[address]!
        return ReferenceHop(
            link: hop.linkAddress, ourLink: hop.ourAddress, source: hop.source, otherSource: hop.otherSource,
            mtu: Int(hop.mtu), isCurrent: hop.isCurrent, isHere: hop.interface == bed.config.ifindex)
    }

    // MARK: Comparing

    /// Sends a frame; the differences, none where both agree.
    func send(_ frame: [UInt8]) throws -> (outcome: Outcome, differences: [String]) {
        let outcome = try bed.send(frame)
        let expected = model.receive(frame, seen: outcome)
        var found: [String] = []
        if outcome.verdict != expected.verdict {
            found.append("verdict \(outcome.verdict), expected \(expected.verdict)")
        }
        if let frame = expected.frame, outcome.verdict != .drop, !same(frame, outcome.frame, expected.zeroAt) {
            found.append("frame \(hex(outcome.frame))\n  expected \(hex(frame))")
        }
        for objection in [expected.objection, try learnPort()].compactMap({ $0 }) { found.append(objection) }
        let now = try bed.counters()
        for reason in expected.counters { counted[reason, default: 0] += 1 }
        if now != counted {
            let names = Set(now.keys).union(counted.keys).filter { now[$0] != counted[$0] }.sorted()
            for name in names { found.append("counter \(name): \(now[name] ?? 0), expected \(counted[name] ?? 0)") }
            counted = now
        }
        if !found.isEmpty { found += try differencesOfConnections().prefix(8) }
        frames += 1
        verdicts[outcome.verdict, default: 0] += 1
        ways[expected.way, default: 0] += 1
        return (outcome, found)
    }

    /// A connection whose first packet was answered by ICMP has its port all the same: the flow table tells it.
    private func learnPort() throws -> String? {
        guard let number = model.portless, let tuple = model.connections[number]?.client else { return nil }
        let flow = bed.maps.readFlows().values.first {
            $0.kind == .snat && $0.source == tuple.source && $0.destination == tuple.destination
                && $0.transport.rawValue == tuple.transport
        }
        guard let end = flow?.translated else { return "the flow table has no SNAT connection of \(tuple)" }
        return model.learn(end, of: number)
    }

    private func same(_ a: [UInt8], _ b: [UInt8], _ zeroAt: Int?) -> Bool {
        guard a != b else { return true }
        guard let zeroAt, a.count == b.count, a.count >= zeroAt + 2 else { return false }
        let sums: [UInt16] = [a.number(at: zeroAt), b.number(at: zeroAt)]
        return sums.allSatisfy { $0 == 0 || $0 == 0xffff }
            && a.replacing(at: zeroAt, with: [0, 0]) == b.replacing(at: zeroAt, with: [0, 0])
    }

    func pass(_ ticks: UInt32) throws {
        try bed.pass(ticks)
        model.pass(ticks)
    }

    /// What is remembered of connections: lines that only one of the two has.
    func differencesOfConnections() throws -> [String] {
        let clock = Clock(hertz: 250)
        let ours = Set(
            try bed.connections().map { connection in
                "\(connection.frontend) \(connection.client) \(connection.backend) \(connection.mode) \(connection.state)"
                    + " age \(connection.age) idle \(connection.idle) \(connection.packets) \(connection.bytes)"
                    + " \(connection.replyPackets ?? 0) \(connection.replyBytes ?? 0)"
            })
        let expected = Set(model.living.map { $0.line(model, clock) })
        return ours.subtracting(expected).sorted().map { "the program has  \($0)" }
            + expected.subtracting(ours).sorted().map { "the model has    \($0)" }
    }
}

extension ReferenceBalancer {
    /// Connections that have not ended.
    var living: [ReferenceConnection] {
        forward.values.compactMap { flow in
            guard let connection = connections[flow.connection], isAlive(flow, connection) else { return nil }
            return connection
        }
    }
}

extension ReferenceConnection {
    fileprivate func line(_ model: ReferenceBalancer, _ clock: Clock) -> String {
        let flow = model.forward[client]!
        let reply = replyTuple.flatMap { model.replies[$0] }.flatMap { $0.connection == number ? $0 : nil }
        let transport = client.transport == 6 ? TransportProtocol.tcp : .udp
        return "\(Frontend(client.destination, transport)) \(client.source) \(backend.endpoint) \(mode) \(state)"
            + " age \(clock.seconds(from: created, to: model.now)) idle \(clock.seconds(from: flow.stamp, to: model.now))"
            + " \(flow.packets) \(flow.bytes) \(reply?.packets ?? 0) \(reply?.bytes ?? 0)"
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
