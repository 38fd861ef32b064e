import Addresses
import Balancer
import CDataplane
import Glibc

/// One probe on its way: a socket that never blocks. Its end closes the socket with a reset, so that neither side keeps
/// anything of it.
final class ProbeSocket {
    let key: BackendKey
    let target: ProbeTarget
    let begun: ContinuousClock.Instant
    let descriptor: Int32
    private let tunnel: (way: ProbeTunnel, port: UInt16)?
    private var stage = Stage.connecting

    private enum Stage {
        case connecting
        case reading([UInt8])
    }

    /// What this host lacks; it says nothing about a backend.
    struct Fault: Error, CustomStringConvertible {
        var description: String

        init(description: String) {
            self.description = description
        }

        /// With errno's own words.
        init(_ action: String) {
            description = "\(action): \(String(cString: strerror(errno)))"
        }
    }

    init(
        _ key: BackendKey, _ target: ProbeTarget, tunnel: ProbeTunnel?, now: ContinuousClock.Instant
    ) throws {
        self.key = key
        self.target = target
        begun = now
        let family = target.endpoint.address.isIPv6 ? AF_INET6 : AF_INET
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw Fault("no socket") }
        do {
            try Self.set(descriptor, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
            self.tunnel = try target.way.map { way in
                guard let tunnel else { throw Fault(description: "the tunnel is not there") }
                return (tunnel, try Self.enter(tunnel, descriptor, way, target.endpoint))
            }
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
        if let tunnel { tunnel.way.end(port: tunnel.port) }
    }

    /// Bound to a port of its own, by which the filters know it.
    private static func enter(
        _ tunnel: ProbeTunnel, _ descriptor: Int32, _ way: ProbeTarget.Tunnel, _ endpoint: Endpoint
    ) throws -> UInt16 {
        try set(descriptor, SO_MARK, UInt32(L4LB_PROBE_MARK))
        guard withSocketAddress(Endpoint(way.source, port: 0), { bind(descriptor, $0, $1) }) == 0,
            let port = boundPort(descriptor)
        else { throw Fault("no port at \(way.source)") }
        try tunnel.begin(way.probe(to: endpoint), port: port)
        return port
    }

    private static func set<Value: BitwiseCopyable>(_ descriptor: Int32, _ option: Int32, _ value: Value) throws {
        var value = value
        guard setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<Value>.size)) == 0 else {
            throw Fault("a socket's option is refused")
        }
    }

    // MARK: Its way

    /// What poll has to wait for.
    var events: Int16 {
        switch stage {
        case .connecting: Int16(POLLOUT)
        case .reading: Int16(POLLIN)
        }
    }

    /// Nil: it goes on.
    func connect() throws -> ProbeOutcome? {
        guard withSocketAddress(target.endpoint, { Glibc.connect(descriptor, $0, $1) }) != 0 else { return connected() }
        switch errno {
        case EINPROGRESS: return nil
        // The host has no port or no memory left.
        case EADDRNOTAVAIL, EAGAIN, ENOBUFS, ENOMEM: throw Fault("no connection")
        default: return Self.failure(errno)
        }
    }

    /// When poll has told of it. Nil: it goes on.
    func proceed() -> ProbeOutcome? {
        switch stage {
        case .connecting:
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
            return error == 0 ? connected() : Self.failure(error)
        case .reading(let bytes):
            guard case .http(_, let statuses) = target.check.kind else { return .passed }
            return read(bytes, statuses)
        }
    }

    private func connected() -> ProbeOutcome? {
        guard case .http(let path, _) = target.check.kind else { return .passed }
        // A fresh connection takes more than a request's few hundred bytes at once.
        let request = HTTPProbe.request(path: path, host: target.host)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            return Self.failure(errno)
        }
        stage = .reading([])
        return nil
    }

    private func read(_ before: [UInt8], _ statuses: HTTPStatuses) -> ProbeOutcome? {
        var bytes = before
        var chunk = [UInt8](repeating: 0, count: HTTPProbe.answerLimit - bytes.count)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count >= 0 else { return errno == EAGAIN || errno == EINTR ? nil : Self.failure(errno) }
        bytes += chunk[..<count]
        stage = .reading(bytes)
        return HTTPProbe.outcome(bytes, isEnd: count == 0, statuses: statuses)
    }

    /// When its time is over.
    var late: ProbeOutcome {
        let time = target.check.timeout
        switch stage {
        case .connecting: return .failed("no connection within \(time)")
        case .reading: return .failed("no answer within \(time)")
        }
    }

    private static func failure(_ number: Int32) -> ProbeOutcome {
        switch number {
        case ECONNREFUSED: .failed("the connection was refused")
        case ECONNRESET, EPIPE: .failed("the connection was reset")
        default: .failed(String(cString: strerror(number)).lowercased())
        }
    }
}

/// An endpoint as the kernel takes it.
private func withSocketAddress<Result>(
    _ endpoint: Endpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    func call<Name>(_ name: Name) -> Result {
        withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Name>.size)) }
        }
    }
    // Texts that an address prints are such that inet_pton reads.
    switch endpoint.address {
    case .v4(let address):
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = endpoint.port.bigEndian
        inet_pton(AF_INET, address.description, &name.sin_addr)
        return call(name)
    case .v6(let address):
        var name = sockaddr_in6()
        name.sin6_family = sa_family_t(AF_INET6)
        name.sin6_port = endpoint.port.bigEndian
        inet_pton(AF_INET6, address.description, &name.sin6_addr)
        return call(name)
    }
}

private func boundPort(_ descriptor: Int32) -> UInt16? {
    // The port lies at the same place in both families' names.
    var name = sockaddr_in6()
    var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let status = withUnsafeMutablePointer(to: &name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    return status == 0 ? UInt16(bigEndian: name.sin6_port) : nil
}
