import Addresses
import Balancer

/// What the reference balancer is told: the user's services and the ways to their backends.
struct ReferenceService {
    /// Port 0: all ports of the address that have no service of their own.
    var frontend: ReferenceFrontend
    var mode: Mode
    var backends: [ReferenceBackend]
    /// The Maglev table: places in `backends`. Nil: any that takes connections will do.
    var table: [Int]?
    /// Who is served, or where `refusesClients` says so, who is not; empty: everybody is served.
    var clients: [IPPrefix] = []
    var refusesClients = false
}

struct ReferenceFrontend: Hashable {
    var address: IPAddress
    var port: UInt16
    /// 6 or 17.
    var transport: UInt8
}

struct ReferenceBackend {
    var address: IPAddress
    /// 0: the port of the client's packet.
    var port: UInt16
    var takesConnections = true
    var isInMaintenance = false
    var hop: ReferenceHop
}

/// The way to a backend.
struct ReferenceHop {
    /// Nil while it is not known.
    var link: LinkAddress?
    var ourLink: LinkAddress
    /// The balancer's address towards the backend.
    var source: IPAddress
    /// Its address in the other family, for ICMP to a client of that one; nil: the frontend's address.
    var otherSource: IPAddress?
    var mtu: Int
    /// False: the route is gone. Connections go on by the way that was, none begins.
    var isCurrent = true
    /// False: it leaves by another device.
    var isHere = true
}

/// What identifies a direction of a connection.
struct ReferenceTuple: Hashable {
    var transport: UInt8
    var source, destination: Endpoint

    var reversed: Self { Self(transport: transport, source: destination, destination: source) }
}

/// One direction of a connection: each is looked up, and ends, by itself.
struct ReferenceFlow {
    var connection: Int
    var stamp: UInt32
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
}

struct ReferenceConnection {
    let number: Int
    let mode: Mode
    let client: ReferenceTuple
    let backend: ReferenceBackendKey
    let created: UInt32
    var seen: Seen = []
    /// SNAT: the balancer's end towards the backend, once a packet has left.
    var translated: Endpoint?
    /// DSR, where the outer source is the program's own choice: what the first packet left with.
    var outerSource: IPAddress?
    /// The backend's end.
    var backendEnd: Endpoint
    /// Where the client's packets last came from.
    var clientLink: LinkAddress

    /// What has been seen of a TCP connection.
    struct Seen: OptionSet {
        var rawValue: UInt8
        static let acked = Seen(rawValue: 1)
        static let replied = Seen(rawValue: 2)
        static let clientFin = Seen(rawValue: 4)
        static let backendFin = Seen(rawValue: 8)
        static let reset = Seen(rawValue: 16)
    }

    var state: ConnectionState {
        guard client.transport == 6 else { return .active }
        // In DSR only the client's side is seen.
        let both: Seen = mode == .dsr ? .clientFin : [.clientFin, .backendFin]
        if seen.contains(.reset) || seen.isSuperset(of: both) { return .closing }
        return seen.isSuperset(of: mode == .dsr ? .acked : [.acked, .replied]) ? .established : .syn
    }

    /// The reply direction's tuple.
    var replyTuple: ReferenceTuple? {
        translated.map { ReferenceTuple(transport: client.transport, source: backendEnd, destination: $0) }
    }
}

struct ReferenceBackendKey: Hashable {
    var frontend: ReferenceFrontend
    var endpoint: Endpoint
}

/// A packet that comes in fragments.
struct ReferenceFragmentKey: Hashable {
    var source, destination: IPAddress
    var identification: UInt32
    var transport: UInt8
}

struct ReferenceFragment {
    var ports: Ports
    var transport: UInt8
    var stamp: UInt32
    /// SNAT: what its fragments leave with, once one of them has left.
    var identification: UInt32?
}

/// What has to come of one frame.
struct ReferenceOutcome {
    var verdict: Verdict
    /// Of a frame that passes or is sent.
    var frame: [UInt8]?
    /// What is counted, by the names that `status` shows.
    var counters: [String] = []
    /// Where a checksum may be 0 or 0xffff: both say the same.
    var zeroAt: Int?
    /// Which of the ways through the balancer it was.
    var way = ""
    /// What is not allowed about the program's own choice.
    var objection: String?

    static func drop(_ reason: String) -> Self { Self(verdict: .drop, counters: [reason], way: reason) }
}
