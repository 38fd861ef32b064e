import Addresses
import BPF
import Balancer
import Foundation
import Netlink

/// Looks at everything that a load balancer needs, and changes nothing.
public struct Doctor: ~Copyable {
    private let setup: Setup
    private let environment: [String: String]
    private var socket: NetlinkSocket

    /// `environment`: where clang is looked for.
    public init(_ setup: Setup, environment: [String: String]) throws(AgentError) {
        self.setup = setup
        self.environment = environment
        do {
            socket = try NetlinkSocket()
        } catch {
            throw AgentError("\(error)")
        }
    }

    /// A line for each finding. Takes about a second, which is clang's.
    public mutating func diagnoses() throws -> [Diagnosis] {
        let links = try socket.links()
        var diagnoses = host().diagnoses()
        for name in setup.devices { diagnoses += device(name, links: links).diagnoses() }
        diagnoses += try services(links: links).diagnoses()
        return diagnoses.shortened()
    }

    // MARK: The host

    private func host() -> HostFacts {
        var names = utsname()
        uname(&names)
        let kernel = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return HostFacts(
            kernel: kernel, isRoot: geteuid() == 0, xdp: XDPSupport.probe(),
            jit: Sysctl.number("net/core/bpf_jit_enable"), bpfRoot: setup.bpfRoot,
            bpfRootIsBPF: BPFMount.isBPF(setup.bpfRoot), compiler: compiler())
    }

    private func compiler() -> HostFacts.Compiler {
        do {
            let compiler = try Compiler.find(flag: setup.clang, environment: environment)
            _ = try PacketProgram(
                paths: Paths(setup.modes, ipv6: hasIPv6), compiler: compiler, maglevSize: MaglevTable.defaultSize)
            switch compiler {
            case .clang(let clang): return .works(clang.path)
            case .package(let package): return .packaged(package.folder)
            }
        } catch {
            return .fails(error.description)
        }
    }

    private var hasIPv6: Bool {
        setup.services.contains { $0.frontend.endpoint.address.isIPv6 || $0.backends.contains(where: \.isIPv6) }
    }

    // MARK: Devices

    private func device(_ name: String, links: [Link]) -> DeviceFacts {
        var facts = DeviceFacts(name: name, link: links.first { $0.name == name })
        guard let link = facts.link else { return facts }
        facts.holder = holder(of: link)
        facts.offloads = Offload.enabled(on: name)
        if link.kind == "veth" {
            let peer = link.peerIsElsewhere ? nil : links.first { $0.index == link.peer }
            facts.peer =
                peer.map {
                    .here(name: $0.name, hasXDP: $0.hasXDP, offloads: Offload.enabled(on: $0.name))
                } ?? .elsewhere
        }
        let reversePaths = ["all", name].compactMap { Sysctl.number("net/ipv4/conf/\($0)/rp_filter") }
        facts.reversePath = reversePaths.max()
        facts.processors = ProcessInfo.processInfo.activeProcessorCount
        facts.modes = setup.modes
        let dsr = setup.services.filter { $0.mode == .dsr }
        if setup.modes.contains(.dsr) {
            facts.overhead = dsr.contains { $0.backends.contains(where: \.isIPv6) } ? 40 : 20
        }
        facts.hasIPv6 = setup.services.contains { $0.frontend.endpoint.address.isIPv6 }
        return facts
    }

    private func holder(of link: Link) -> DeviceFacts.Holder {
        guard link.hasXDP else { return .nobody }
        if let ours = setup.attached?[link.name], ours.programID == link.xdpProgramID {
            return .us(isNative: ours.isNative)
        }
        let name = link.xdpProgramID.flatMap { try? BPFProgram(id: $0) }?.name
        return name == "l4lb" ? .packetPath : .other(name: name, id: link.xdpProgramID)
    }

    // MARK: Services

    private mutating func services(links: [Link]) throws -> ServiceFacts {
        let devices = setup.devices.compactMap { name in
            links.first { $0.name == name }.flatMap { link in
                link.address.map {
                    Device(name: link.name, index: UInt32(link.index), address: $0, mtu: link.mtu)
                }
            }
        }
        var network = try HostNetwork()
        try network.readNeighbours()
        var hops: [IPAddress: Result<NextHop, NoRoute>] = [:]
        for address in Set(setup.services.flatMap(\.backends)) {
            hops[address] = try network.nextHop(to: address, devices: devices)
        }
        var facts = ServiceFacts(
            setup: setup, devices: devices, addresses: try socket.addresses(), nextHops: hops,
            sockets: ["tcp", "tcp6", "udp", "udp6"].flatMap { Self.sockets("/proc/net/\($0)") },
            forwards: Sysctl.number("net/ipv4/ip_forward").map { $0 != 0 })
        do {
            facts.snatPorts = try Sysctl.snatPorts(allowed: setup.snatPorts)
        } catch {
            facts.snatFault = error.description
        }
        return facts
    }

    private static func sockets(_ path: String) -> [LocalSocket] {
        LocalSocket.all(in: (try? String(contentsOfFile: path, encoding: .utf8)) ?? "")
    }
}
