import Addresses
import CMnl
import Glibc

/// Questions to the kernel about links, addresses, neighbours and routes of the network namespace that the
/// thread was in when the socket was made. Each call blocks until the kernel has answered, which is at most
/// five seconds where it does not.
public struct NetlinkSocket: ~Copyable, Sendable {
    private var socket: MnlSocket
    private var sequence: UInt32 = 0

    /// Seconds.
    private let timeout: Int
    /// A dump that has not ended by then never will: about 25 million neighbours.
    private static let mostDatagrams = 1 << 16
    /// How often a dump is begun again because the table changed under it.
    private static let mostDumps = 10

    public init() throws(NetlinkError) {
        try self.init(timeout: 5)
    }

    /// `timeout` is in seconds.
    init(timeout: Int) throws(NetlinkError) {
        let action = "open a netlink socket"
        var socket = try MnlSocket(flags: 0, action: action)
        try socket.set(socketOption: SO_RCVTIMEO, to: timeval(tv_sec: timeout, tv_usec: 0), action: action)
        try socket.set(NETLINK_EXT_ACK, to: 1, action: action)
        self.timeout = timeout
        self.socket = socket
    }

    public mutating func links() throws(NetlinkError) -> [Link] {
        try dump(Link.request(flags: NLM_F_DUMP), "list the network interfaces", parse: Link.init(_:))
    }

    /// Throws `NetlinkError.noSuchLink` where there is none of this name.
    public mutating func link(named name: String) throws(NetlinkError) -> Link {
        guard (1..<Int(IFNAMSIZ)).contains(name.utf8.count), !name.utf8.contains(0) else { throw .noSuchLink(name) }
        var request = Link.request(flags: NLM_F_ACK)
        request.append(IFLA_IFNAME, Array(name.utf8) + [0])
        do throws(NetlinkError) {
            let links = try ask(request, "look up the network interface \(name)", parse: Link.init(_:))
            guard let link = links.first else { throw NetlinkError.noSuchLink(name) }
            return link
        } catch {
            guard error.errno == ENODEV else { throw error }
            throw .noSuchLink(name)
        }
    }

    /// The host's addresses of both families.
    public mutating func addresses() throws(NetlinkError) -> [InterfaceAddress] {
        let request = Request(RTM_GETADDR, flags: NLM_F_DUMP, header: ifaddrmsg())
        return try dump(request, "list the host's addresses", parse: InterfaceAddress.init(_:))
    }

    /// The neighbours of both families, those without a link address too.
    public mutating func neighbours() throws(NetlinkError) -> [Neighbour] {
        var neighbours: [Neighbour] = []
        for family in [AF_INET, AF_INET6] {
            var header = ndmsg()
            header.ndm_family = UInt8(family)
            let request = Request(RTM_GETNEIGH, flags: NLM_F_DUMP, header: header)
            neighbours += try dump(request, "list the neighbours", parse: Neighbour.init(_:))
        }
        return neighbours
    }

    /// The way that the host's own packets to this address take. Nil where the kernel would not send them: no route
    /// (ENETUNREACH), or a route of type unreachable (EHOSTUNREACH), prohibit (EACCES) or blackhole (EINVAL).
    public mutating func route(to destination: IPAddress) throws(NetlinkError) -> Route? {
        do throws(NetlinkError) {
            return try ask(Route.request(to: destination), "look up the route to \(destination)", parse: Route.init(_:))
                .first
        } catch {
            guard [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL].contains(error.errno) else { throw error }
            return nil
        }
    }

    /// A dump that the kernel marks as inconsistent is begun again.
    private mutating func dump<Value>(
        _ request: Request, _ action: String, parse: (Message) throws(MalformedMessage) -> Value?
    ) throws(NetlinkError) -> [Value] {
        for _ in 0..<Self.mostDumps {
            var isConsistent = true
            let values = try ask(request, action) { message throws(MalformedMessage) in
                if Int32(message.flags) & NLM_F_DUMP_INTR != 0 { isConsistent = false }
                return try parse(message)
            }
            if isConsistent { return values }
        }
        throw .failed(action: action, errno: EAGAIN, detail: "it changed during each of \(Self.mostDumps) attempts")
    }

    /// Sends the request, which must ask for a dump or an acknowledgement, and reads the answer to its end.
    mutating func ask<Value>(
        _ request: Request, _ action: String, parse: (Message) throws(MalformedMessage) -> Value?
    ) throws(NetlinkError) -> [Value] {
        sequence &+= 1
        try socket.send(request.bytes(sequence: sequence), action: action)
        var values: [Value] = []
        for _ in 0..<Self.mostDatagrams {
            let datagram = try receive(action)
            let verdict: Verdict?
            do throws(MalformedMessage) {
                verdict = try Self.read(datagram, sequence, into: &values, parse)
            } catch {
                throw .failed(action: action, errno: EBADMSG, detail: error.description)
            }
            guard let verdict else { continue }
            guard verdict.errno == 0 else {
                throw .failed(action: action, errno: verdict.errno, detail: verdict.detail)
            }
            return values
        }
        throw .failed(action: action, errno: EMSGSIZE, detail: "the answer does not end")
    }

    /// Sends a request that changes something and waits for its acknowledgement.
    mutating func tell(_ request: Request, _ action: String) throws(NetlinkError) {
        _ = try ask(request, action) { (_) throws(MalformedMessage) -> Void? in nil }
    }

    /// What one datagram adds to the answer, and the verdict where it holds it.
    private static func read<Value>(
        _ datagram: [UInt8], _ sequence: UInt32, into values: inout [Value],
        _ parse: (Message) throws(MalformedMessage) -> Value?
    ) throws(MalformedMessage) -> Verdict? {
        // An answer with another number belongs to a question that was given up.
        for message in try Message.all(in: datagram) where message.sequence == sequence {
            if let value = try parse(message) { values.append(value) }
            if let verdict = try Verdict(message) { return verdict }
        }
        return nil
    }

    private mutating func receive(_ action: String) throws(NetlinkError) -> [UInt8] {
        do throws(NetlinkError) {
            return try socket.receive(action: action)
        } catch {
            guard error.errno == EAGAIN else { throw error }
            throw .failed(action: action, errno: ETIMEDOUT, detail: "no answer within \(timeout) s")
        }
    }
}
