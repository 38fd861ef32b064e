import Addresses
import CDataplane

/// One direction of a connection, as it lies in the flow table.
public struct Flow: Sendable {
    public enum Kind: Sendable {
        case dsr, snat, reply
    }

    public let kind: Kind
    public let transport: TransportProtocol
    public let source: Endpoint
    public let destination: Endpoint
    public let phase: ConnectionState
    /// Place in the map `backends`.
    public let backend: UInt16
    /// Place of the other direction's slot, which a DSR connection leaves free.
    public let peer: UInt32
    /// Ticks of the data plane's clock.
    public let created, stamp: UInt32
    public let packets, bytes: UInt64
    /// SNAT: the balancer's end towards the backend.
    public let translated: Endpoint?

    /// Nil for a slot that is free or being written. `peer`: the slot of the other direction.
    public init?(_ slot: l4lb_flow, peer: UInt32) {
        self.init(
            slot, peer: peer, source: Self.v4(slot.source), destination: Self.v4(slot.destination),
            nat: Self.v4(slot.nat_address))
    }

    /// The IPv6 table's form.
    public init?(_ slot: l4lb_flow6, peer: UInt32) {
        self.init(
            slot.flow, peer: peer, source: slot.source.address, destination: slot.destination.address,
            nat: slot.nat.address)
    }

    private init?(_ slot: l4lb_flow, peer: UInt32, source: IPAddress, destination: IPAddress, nat: IPAddress) {
        guard slot.version & 1 == 0, let transport = TransportProtocol(rawValue: slot.protocol) else { return nil }
        switch UInt32(slot.kind) {
        case L4LB_FLOW_DSR.rawValue: kind = .dsr
        case L4LB_FLOW_SNAT.rawValue: kind = .snat
        case L4LB_FLOW_REPLY.rawValue: kind = .reply
        default: return nil
        }
        self.transport = transport
        self.source = Endpoint(source, port: UInt16(networkOrder: slot.source_port))
        self.destination = Endpoint(destination, port: UInt16(networkOrder: slot.destination_port))
        phase = ConnectionState(phase: UInt32(slot.state) & L4LB_STATE_PHASE.rawValue)
        backend = slot.backend
        self.peer = peer
        created = slot.created
        stamp = slot.stamp
        packets = slot.packets
        bytes = slot.bytes
        translated = kind == .snat ? Endpoint(nat, port: UInt16(networkOrder: slot.nat_port)) : nil
    }

    private static func v4(_ networkOrder: UInt32) -> IPAddress { .v4(IPv4Address(networkOrder: networkOrder)) }
}

/// A slot of one of the flow tables.
public struct FlowPlace: Hashable, Sendable {
    /// Which table: there is one for each family of the clients.
    public var isIPv6: Bool
    /// Of connection r: r or, for the backend's packets, r + config.records.
    public var slot: UInt32

    public init(_ slot: UInt32, isIPv6: Bool = false) {
        self.slot = slot
        self.isIPv6 = isIPv6
    }
}

/// How far a connection has come.
public enum ConnectionState: String, Sendable, CaseIterable {
    case syn, established, closing
    /// UDP.
    case active

    init(phase: UInt32) {
        switch phase {
        case L4LB_PHASE_SYN.rawValue: self = .syn
        case L4LB_PHASE_ESTABLISHED.rawValue: self = .established
        case L4LB_PHASE_CLOSING.rawValue: self = .closing
        default: self = .active
        }
    }
}

/// Idle times after which a connection has ended, in seconds; the defaults are Cilium's.
public struct Timeouts: Equatable, Sendable {
    public var syn: UInt32 = 60
    public var established: UInt32 = 8000
    public var closing: UInt32 = 10
    public var udp: UInt32 = 60
    /// For how long the port of a closed SNAT connection is left alone: TCP's TIME_WAIT on Linux.
    public static let portRest: UInt32 = 60

    public init() {}

    /// Rounded down, so that nothing is shown for longer than was asked.
    public func ticks(_ state: ConnectionState, clock: Clock) -> UInt32 {
        let seconds =
            switch state {
            case .syn: syn
            case .established: established
            case .closing: closing
            case .active: udp
            }
        return max(clock.ticks(seconds), 2) - 1
    }
}

/// The data plane's clock: the kernel's jiffies, shifted so that a tick is about a quarter second.
public struct Clock: Equatable, Sendable {
    /// The kernel's CONFIG_HZ.
    public let hertz: UInt32
    public let shift: UInt32

    public init(hertz: UInt32) {
        self.hertz = hertz
        var shift: UInt32 = 0
        while UInt32(2) << shift <= hertz / 3 { shift += 1 }
        self.shift = shift
    }

    /// Seconds.
    public var tick: Double { Double(UInt32(1) << shift) / Double(hertz) }

    public func ticks(_ seconds: UInt32) -> UInt32 {
        UInt32(min((UInt64(seconds) * UInt64(hertz)) >> UInt64(shift), UInt64(UInt32.max / 2)))
    }

    /// Whole seconds from one tick to another; a stamp from just now may be ahead.
    public func seconds(from: UInt32, to: UInt32) -> UInt64 {
        let difference = Int32(bitPattern: to &- from)
        return difference <= 0 ? 0 : (UInt64(difference) << UInt64(shift)) / UInt64(hertz)
    }

    /// The tick of a value of jiffies.
    public func tick(jiffies: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: jiffies >> UInt64(shift)) }
}
