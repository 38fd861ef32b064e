import Addresses
import BPF
import Balancer
import Foundation
import Testing

@testable import Agent
@testable import Netlink
@testable import l4lb

/// One thing that is not in order, and what is said of it.
struct Fault<Facts>: Sendable {
    var set: @Sendable (inout Facts) -> Void
    var line: String

    init(_ set: @escaping @Sendable (inout Facts) -> Void, _ line: String) {
        self.set = set
        self.line = line
    }
}

@Suite struct DoctorTests {
    // MARK: The host

    private static let host = HostFacts(
        kernel: "6.1.0-18-amd64", isRoot: true, xdp: .supported, jit: 1, bpfRoot: "/sys/fs/bpf", bpfRootIsBPF: true,
        compiler: .works("/usr/bin/clang"))

    private func lines(_ diagnoses: [Diagnosis]) -> [String] { diagnoses.map { "\($0.level) \($0.line)" } }

    @Test("a host in order has no finding")
    func healthyHost() {
        #expect(
            lines(Self.host.diagnoses()) == [
                "ok Linux 6.1.0-18-amd64", "ok XDP programs can be loaded",
                "ok BPF programs are compiled to machine code", "ok /sys/fs/bpf is a bpf filesystem",
                "ok /usr/bin/clang compiles the packet program",
            ])
    }

    @Test(
        "each fault of a host has its line and its mend",
        arguments: [
            Fault({ $0.kernel = "5.15.0" }, "error Linux 5.15.0 is older than 6.1: boot a newer kernel"),
            Fault({ $0.kernel = "4.19" }, "error Linux 4.19 is older than 6.1: boot a newer kernel"),
            Fault({ $0.kernel = "six" }, "unknown the kernel's version six is not understood"),
            Fault(
                { ($0.xdp, $0.isRoot) = (.denied, false) },
                "error loading XDP programs needs root: run it with sudo"
            ),
            Fault(
                { $0.xdp = .denied },
                "error bpf(2) is refused to root: give the container CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and a seccomp profile with bpf"
            ),
            Fault({ $0.xdp = .unsupported }, "error this kernel has no XDP: boot one with CONFIG_BPF_SYSCALL=y"),
            Fault({ $0.xdp = .failed(12) }, "unknown whether XDP programs can be loaded: error 12"),
            Fault(
                { $0.jit = 0 },
                "warning BPF programs are interpreted, which is many times slower: sysctl -w net.core.bpf_jit_enable=1"
            ),
            Fault(
                { $0.jit = nil },
                "unknown net.core.bpf_jit_enable cannot be read here: look on the host itself"
            ),
            Fault(
                { $0.bpfRootIsBPF = false },
                "warning no bpf filesystem at /sys/fs/bpf: mount -t bpf bpf /sys/fs/bpf"
            ),
            Fault(
                { ($0.bpfRootIsBPF, $0.bpfRoot) = (false, "/x") },
                "error --bpf-root: /x is not a bpf filesystem: mount -t bpf bpf /x"
            ),
            Fault({ $0.compiler = .fails("no clang was found") }, "error no clang was found"),
        ] as [Fault<HostFacts>])
    func host(fault: Fault<HostFacts>) {
        var facts = Self.host
        fault.set(&facts)
        #expect(lines(facts.diagnoses()).filter { !$0.hasPrefix("ok ") } == [fault.line])
    }

    @Test("a host without a clang has the package's programs")
    func packaged() {
        var facts = Self.host
        facts.compiler = .packaged("/usr/lib/l4lb/objects")
        #expect(
            lines(facts.diagnoses()).last == "ok no clang: the packaged programs in /usr/lib/l4lb/objects are used")
    }

    // MARK: Devices

    private static let device = DeviceFacts(
        name: "eth0",
        link: Link(
            index: 2, name: "eth0", address: LinkAddress("02:00:00:00:00:01"), mtu: 1500, isUp: true,
            hasCarrier: true, receiveQueues: 4),
        holder: .us(isNative: true), offloads: [.segmentation, .receive], reversePath: 0, processors: 4)

    @Test("a device in order has no finding")
    func healthyDevice() {
        #expect(
            lines(Self.device.diagnoses()) == [
                "ok eth0 is up", "ok the agent's program is on eth0", "ok XDP is native on eth0",
                "ok eth0 has up to 4 receive queues for 4 processors", "ok MTU 1500 of eth0",
            ])
        var veth = Self.device
        veth.link?.kind = "veth"
        (veth.offloads, veth.peer) = ([.receive], .here(name: "p0", hasXDP: true, offloads: []))
        (veth.holder, veth.modes, veth.overhead) = (.nobody, [.dsr], 20)
        #expect(
            lines(veth.diagnoses()) == [
                "ok eth0 is up", "ok no XDP program is on eth0", "ok eth0 is a veth, which has native XDP",
                "ok eth0, a veth, hands over finished packets",
                "ok p0, the peer of eth0, hands over finished packets",
                "ok MTU 1500 of eth0: clients are told to send at most 1480 bytes after DSR's outer header of 20 bytes, with 1520 they need not be",
                "ok rp_filter is not strict on eth0",
            ])
    }

    @Test(
        "each fault of a device has its line and its mend",
        arguments: [
            Fault(
                { $0.link = nil },
                "error --device: there is no network interface named eth0: give one of those that 'ip link' shows"
            ),
            Fault(
                { $0.link?.address = .zero },
                "error --device: eth0 is not an Ethernet device: give one that has a link address"
            ),
            Fault({ $0.link?.isUp = false }, "error eth0 is down: ip link set eth0 up"),
            Fault(
                { $0.link?.hasCarrier = false },
                "error eth0 has no carrier: see to its cable, or set its other end up"
            ),
            Fault(
                {
                    $0.holder = .packetPath
                    $0.link?.kind = "veth"
                    $0.offloads = []
                    $0.peer = nil
                },
                "warning an l4lb that does not answer here holds eth0: name its socket with --socket, start its agent again, or end it with 'l4lb detach'"
            ),
            Fault(
                {
                    $0.holder = .other(name: "xdp_pass", id: 12)
                    $0.link?.kind = "veth"
                },
                "error another XDP program (xdp_pass, id 12) holds eth0: detach it (ip link set dev eth0 xdp off)"
            ),
            Fault(
                {
                    $0.holder = .other(name: nil, id: nil)
                    $0.link?.kind = "veth"
                },
                "error another XDP program holds eth0: detach it (ip link set dev eth0 xdp off)"
            ),
            Fault(
                { $0.holder = .nobody },
                "unknown whether the driver of eth0 has native XDP is known when it is attached: --bpf-lb-acceleration=best-effort falls back to generic"
            ),
            Fault(
                {
                    $0.holder = .nobody
                    $0.offloads = [.receive, .largeReceive]
                },
                "error LRO is on at eth0, with which its driver refuses native XDP: ethtool -K eth0 lro off"
            ),
            Fault(
                {
                    $0.holder = .nobody
                    $0.link?.kind = "bridge"
                },
                "warning eth0 is a bridge, which has no native XDP: give the device below it, or --bpf-lb-acceleration=generic"
            ),
            Fault(
                { $0.holder = .us(isNative: false) },
                "error XDP is generic on eth0 and GRO is on: packets are put together before it: ethtool -K eth0 gro off"
            ),
            Fault(
                {
                    $0.holder = .us(isNative: false)
                    $0.offloads = []
                },
                "warning XDP is generic on eth0, which is slower: --bpf-lb-acceleration=native where its driver has it"
            ),
            Fault(
                { $0.peer = .here(name: "p0", hasXDP: true, offloads: []) },
                "warning eth0, a veth, hands over unfinished packets (gso): ethtool -K eth0 gso off"
            ),
            Fault(
                {
                    $0.peer = .here(name: "p0", hasXDP: true, offloads: nil)
                    $0.offloads = []
                },
                "unknown the offloads of p0 cannot be read"
            ),
            Fault(
                {
                    $0.peer = .here(name: "p0", hasXDP: false, offloads: [])
                    $0.offloads = []
                },
                "error p0, the peer of eth0, has no XDP program: what XDP sends is lost there: attach one to p0 that passes all packets"
            ),
            Fault(
                {
                    $0.peer = .elsewhere
                    $0.offloads = []
                },
                "unknown the peer of eth0 is in another network namespace: see that it has an XDP program and that its tx, tso and gso are off"
            ),
            Fault(
                { $0.link?.receiveQueues = 1 },
                "warning eth0 has 1 receive queue: 1 of 4 processors does all the work: give it more queues, or take a device that has them"
            ),
            Fault(
                { $0.link?.mtu = 1400 },
                "warning MTU 1400 of eth0: clients are told to send at most 1400 bytes: ip link set dev eth0 mtu 1500, as on the whole way to the backends"
            ),
            Fault(
                {
                    $0.link?.mtu = 1400
                    $0.overhead = 40
                },
                "warning MTU 1400 of eth0: clients are told to send at most 1360 bytes after DSR's outer header of 40 bytes: ip link set dev eth0 mtu 1540, as on the whole way to the backends"
            ),
            Fault(
                {
                    $0.link?.mtu = 1300
                    $0.overhead = 40
                    $0.hasIPv6 = true
                },
                "error MTU 1300 of eth0 leaves 1260 bytes after DSR's outer header of 40 bytes, IPv6 needs 1280: ip link set dev eth0 mtu 1540, as on the whole way to the backends"
            ),
            Fault(
                {
                    $0.modes = [.dsr]
                    $0.reversePath = 1
                },
                "warning rp_filter is strict on eth0: DSR's answers that pass here, those to health checks too, are dropped: sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0"
            ),
            Fault(
                {
                    $0.modes = [.dsr]
                    $0.reversePath = nil
                }, "unknown rp_filter of eth0 cannot be read"
            ),
        ] as [Fault<DeviceFacts>])
    func device(fault: Fault<DeviceFacts>) {
        var facts = Self.device
        fault.set(&facts)
        #expect(lines(facts.diagnoses()).filter { !$0.hasPrefix("ok ") } == [fault.line])
    }

    // MARK: The report

    @Test("a fault that many have is shown some times, and then as a number")
    func shortened() {
        let many = (1...50).map { Diagnosis(.error, .backend, "backend \($0)") } + [Diagnosis(.ok, .mtu, "fine")]
        let shown = many.shortened()
        #expect(shown.count == 22)
        #expect(shown.last == Diagnosis(.error, .backend, "30 more of this kind"))
    }

    @Test("the report is a line for each finding and their sum")
    func report() {
        let report = DoctorReport(
            agent: false,
            [
                Diagnosis(.ok, .kernel, "Linux 6.1"), Diagnosis(.error, .device, "eth0 is down", mend: "set it up"),
                Diagnosis(.warning, .mtu, "small"), Diagnosis(.unknown, .peer, "elsewhere"),
            ])
        #expect(
            report.lines == [
                "ok       Linux 6.1", "error    eth0 is down: set it up", "warning  small", "unknown  elsewhere",
                "1 error, 1 warning, 1 unknown",
            ])
        #expect(report.errors == 1 && report.warnings == 1 && report.unknown == 1)
    }
}
