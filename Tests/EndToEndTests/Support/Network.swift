import Foundation
import Synchronization
import Testing

/// Where the hosts of a test's network are.
enum Layout: Sendable {
    /// Client, balancer and backends on one switch.
    case oneLink
    /// The client on the balancer's eth0, the backends on its eth1.
    case twoLinks
    /// The client behind one router, the backends behind another; the balancer between them.
    case routed
}

/// A client, a balancer and web servers, each in a network namespace of its own.
final class Network: Sendable {
    let layout: Layout
    let client: Host
    let balancer: Host
    let backends: [Host]
    /// The frontend's address, which every backend has too and answers for in DSR.
    let frontend = "198.51.100.7"
    let frontend6 = "2001:db8:ff::7"
    /// The namespace with the bridges. A bridge's port has the name of the host at it.
    let switchboard: String
    /// Root's own.
    let folder: String
    private let prefix: String

    /// The network of the suite that runs.
    @TaskLocal static var shared: Network?
    static var current: Network { get throws { try #require(shared) } }

    private static let namePrefix = "l4lb-e2e-"
    private static let count = Mutex(0)

    init(_ layout: Layout, backends count: Int = 4) async throws {
        try await Self.removeLeftovers()
        let number = Self.count.withLock { count in
            count += 1
            return count
        }
        let prefix = "\(Self.namePrefix)\(getpid())-\(number)"
        self.prefix = prefix
        self.layout = layout
        let host = { (name: String, address: String) in Host(namespace: "\(prefix)-\(name)", address: address) }
        let (outer, inner) =
            switch layout {
            case .oneLink: ("10.71.0", "10.71.0")
            case .twoLinks: ("10.71.0", "10.71.1")
            case .routed: ("10.72.1", "10.72.3")
            }
        client = host("client", "\(outer).100")
        balancer = host("lb", layout == .routed ? "10.72.2.1" : "10.71.0.1")
        backends = (1...count).map { host("b\($0)", "\(inner).\(10 * $0)") }
        switchboard = "\(prefix)-switch"
        folder = "/run/\(prefix)"
        do {
            try await build()
        } catch {
            await remove()
            throw error
        }
    }

    var webServers: String { backends.map { "\($0.address):80" }.joined(separator: ",") }
    var pages: Set<String> { Set(backends.map { "backend \($0.address)" }) }
    /// What a client asks for.
    var url: String { "http://\(frontend)/" }

    private func build() async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try await DecapProgram.compile(to: "\(folder)/decap.o")
        try await shell("head -c \(Self.fileSize) /dev/urandom >\(folder)/big && chmod 0644 \(folder)/big")
        var lines = ["ip netns add \(switchboard)"]
        for bridge in ["br0", "br1", "br2"] {
            lines.append("ip -n \(switchboard) link add \(bridge) type bridge")
            lines.append("ip -n \(switchboard) link set \(bridge) up")
        }
        switch layout {
        case .oneLink:
            for host in [client, balancer] + backends {
                lines += add(host) + plug(host, "eth0", host.address, "br0")
                lines.append("ip -n \(host.namespace) address add \(host.address6)/64 dev eth0 nodad")
            }
            lines += [
                "ip -n \(client.namespace) route add \(frontend) via \(balancer.address)",
                "ip -n \(client.namespace) route add \(frontend6) via \(balancer.address6)",
            ]
        case .twoLinks:
            lines += add(client) + plug(client, "eth0", client.address, "br0")
            lines += add(balancer) + plug(balancer, "eth0", balancer.address, "br0")
            lines += plug(balancer, "eth1", "10.71.1.1", "br1")
            // Answers of DSR pass it as a router.
            lines.append("nsenter --net=\(balancer.path) sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'")
            lines.append("ip -n \(client.namespace) route add default via \(balancer.address)")
            lines.append(attachXDP("pass", to: "lb-eth1", in: switchboard))
            for backend in backends {
                lines += add(backend) + plug(backend, "eth0", backend.address, "br1")
                lines.append("ip -n \(backend.namespace) route add default via 10.71.1.1")
            }
        case .routed:
            lines += add(client) + plug(client, "eth0", client.address, "br0")
            lines += add(balancer) + plug(balancer, "eth0", balancer.address, "br1")
            let (front, back) = (
                Host(namespace: "\(prefix)-front", address: "10.72.1.254"),
                Host(namespace: "\(prefix)-back", address: "10.72.3.254")
            )
            lines += add(front) + plug(front, "eth0", front.address, "br0") + plug(front, "eth1", "10.72.2.254", "br1")
            lines += add(back) + plug(back, "eth0", back.address, "br2") + plug(back, "eth1", "10.72.2.253", "br1")
            for router in [front, back] {
                lines.append("nsenter --net=\(router.path) sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'")
            }
            lines += [
                "ip -n \(client.namespace) route add default via \(front.address)",
                "ip -n \(front.namespace) route add \(frontend) via \(balancer.address)",
                "ip -n \(front.namespace) route add 10.72.3.0/24 via 10.72.2.253",
                "ip -n \(back.namespace) route add default via 10.72.2.254",
                "ip -n \(balancer.namespace) route add 10.72.3.0/24 via 10.72.2.253",
                "ip -n \(balancer.namespace) route add 10.72.1.0/24 via 10.72.2.254",
            ]
            for backend in backends {
                lines += add(backend) + plug(backend, "eth0", backend.address, "br2")
                lines.append("ip -n \(backend.namespace) route add default via \(back.address)")
            }
        }
        // veth delivers what XDP sends only to a peer that has a program too.
        lines.append(attachXDP("pass", to: "lb", in: switchboard))
        for backend in backends {
            lines.append("ip -n \(backend.namespace) address add \(frontend)/32 dev lo")
            lines.append("ip -n \(backend.namespace) address add \(frontend6)/128 dev lo nodad")
            lines.append(attachXDP("decap", to: "eth0", in: backend.namespace))
        }
        try await shell(lines.joined(separator: "\n"))
        for backend in backends { try await serve(backend, ports: [80, 8080]) }
        for backend in backends {
            try await eventually("nginx on \(backend.address) answers") {
                (try? backend.fetch(backend.address)) == "backend \(backend.address)"
            }
        }
    }

    private func add(_ host: Host) -> [String] {
        [
            "ip netns add \(host.namespace)", "ip -n \(host.namespace) link set lo up",
            "nsenter --net=\(host.path) sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter'",
        ]
    }

    private func plug(_ host: Host, _ interface: String, _ address: String, _ bridge: String) -> [String] {
        let name = String(host.namespace.dropFirst(prefix.count + 1))
        let port = interface == "eth0" ? name : "\(name)-\(interface)"
        // veth would hand over half-done checksums and packets larger than the link.
        return [
            "ip link add \(interface) netns \(host.namespace) type veth peer name \(port) netns \(switchboard)",
            "ip -n \(switchboard) link set \(port) master \(bridge) up",
            "ip -n \(host.namespace) address add \(address)/24 dev \(interface)",
            "ip -n \(host.namespace) link set \(interface) up",
            "nsenter --net=\(host.path) ethtool -K \(interface) tx off tso off gso off >/dev/null",
            "nsenter --net=/run/netns/\(switchboard) ethtool -K \(port) tx off tso off gso off >/dev/null",
        ]
    }

    // MARK: Its end

    func remove() async {
        await Self.remove(prefix: prefix)
    }

    /// What a test run that was killed has left.
    private static func removeLeftovers() async throws {
        let names = try await shell("ip netns list").split(separator: "\n").compactMap { line in
            line.split(separator: " ").first.map(String.init)
        }
        let prefixes = Set(
            names.filter { $0.hasPrefix(namePrefix) }.map { $0.split(separator: "-").dropLast().joined(separator: "-") }
        )
        for prefix in prefixes {
            let owner = prefix.dropFirst(namePrefix.count).split(separator: "-").first.flatMap { Int32($0) }
            if let owner, kill(owner, 0) != 0 { await remove(prefix: prefix) }
        }
    }

    private static func remove(prefix: String) async {
        _ = try? await shell(
            """
            names=$(ip netns list | awk '{ print $1 }' | grep '^\(prefix)-' || true)
            pids() { for name in $names; do ip netns pids "$name"; done; }
            for pid in $(pids); do kill "$pid" 2>/dev/null || true; done
            for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
                [ -n "$(pids)" ] || break
                sleep 0.1
            done
            for pid in $(pids); do kill -KILL "$pid" 2>/dev/null || true; done
            for name in $names; do ip netns delete "$name"; done
            rm -rf -- '/run/\(prefix)'
            """)
    }
}

/// Gives a suite a network of its own, which goes with the suite.
struct NetworkTrait: SuiteTrait, TestScoping {
    var layout: Layout
    var backends: Int

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let network = try await Network(layout, backends: backends)
        let result: Result<Void, any Error>
        do {
            result = .success(try await Network.$shared.withValue(network, operation: function))
        } catch {
            result = .failure(error)
        }
        await network.remove()
        try result.get()
    }
}

extension Trait where Self == NetworkTrait {
    static func network(_ layout: Layout = .oneLink, backends: Int = 4) -> Self {
        Self(layout: layout, backends: backends)
    }
}

extension Network {
    /// The shell's line that attaches a program of the demo's. ip makes folders in the bpf
    /// filesystem; in a mount namespace of its own they go with the call.
    func attachXDP(_ program: String, to device: String, in namespace: String) -> String {
        attachXDP(section: "xdp/\(program)", to: device, in: namespace)
    }

    func attachXDP(section: String, to device: String, in namespace: String) -> String {
        let attach = "ip -n \(namespace) link set dev \(device) xdpdrv obj \(folder)/decap.o sec \(section)"
        return "unshare --mount -- sh -c 'mount -t bpf bpf /sys/fs/bpf && exec \(attach)'"
    }
}
