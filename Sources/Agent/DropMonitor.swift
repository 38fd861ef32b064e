import BPF
import Balancer
import CDataplane

/// `monitor drops`: the program gives samples of what it drops while somebody listens, and none else.
extension LoadBalancer {
    /// A sampled drop, with what the agent knows of it.
    public struct Drop: Sendable {
        public var packet: DroppedPacket
        /// That of its service, where there still is one.
        public var frontend: Frontend?
        public var device: String?

        public init(packet: DroppedPacket, frontend: Frontend?, device: String?) {
            self.packet = packet
            self.frontend = frontend
            self.device = device
        }
    }

    /// Samples a second, of all processors together.
    public static let dropRates = 1...100_000
    public static let defaultDropRate = 1000

    /// Listens from now on; `stopListening` ends it.
    public func listenToDrops(rate: Int) throws {
        guard dropRing == nil else { throw AgentError("drops are being watched already: end that one first") }
        let ring = try RingBuffer(dataplane.maps.dropSamples)
        // What is left of an earlier time is nobody's.
        _ = try ring.read()
        try dataplane.sampleDrops(rate: rate)
        dropRing = ring
    }

    /// The drops since the last call, as far as they were sampled.
    public func takeDrops() throws -> [Drop] {
        guard let dropRing else { return [] }
        return try dropRing.read().compactMap(DroppedPacket.init).map { packet in
            Drop(
                packet: packet, frontend: packet.service.flatMap { state.services[$0]?.frontend },
                device: devices.first { $0.index == packet.interface }?.name)
        }
    }

    public func stopListening() throws {
        dropRing = nil
        try dataplane.sampleDrops(rate: 0)
    }

    /// Drops over all reasons, sampled or not.
    public func dropCount() throws -> UInt64 {
        try DropReason.allCases.reduce(0) { try $0 + dataplane.counter($1.counter) }
    }
}

extension Dataplane {
    /// Samples a second at the most; 0: none.
    func sampleDrops(rate: Int) throws(BPFError) {
        try maps.monitor.update(UInt32(0), l4lb_monitor(rate: rate, tick: clock.tick))
    }
}

extension l4lb_monitor {
    /// `tick`: its length in seconds.
    init(rate: Int, tick: Double) {
        let perTick = rate == 0 ? 0 : max(UInt32(Double(rate) * tick), 1)
        self.init(enabled: rate == 0 ? 0 : 1, per_tick: perTick, tick: 0, taken: 0)
    }
}
