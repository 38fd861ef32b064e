import Addresses
import Balancer
import Testing

@testable import Agent
@testable import Netlink

@Suite struct DoctorServiceTests {
    private static let eth0 = Device(
        name: "eth0", index: 2, address: LinkAddress("02:00:00:00:00:01")!, mtu: 1500)
    private static let backend = IPAddress("20.1.1.10")!

    private static func hop(_ linkAddress: String?) -> NextHop {
        NextHop(
            interface: 2, ourAddress: eth0.address, source: IPAddress("20.1.1.1")!, neighbour: backend,
            linkAddress: linkAddress.flatMap(LinkAddress.init))
    }

    private static func facts(frontend: String = "40.1.1.1:80") throws -> ServiceFacts {
        let setup = Setup(
            devices: ["eth0"],
            services: [.init(frontend: try #require(Frontend(frontend)), mode: .snat, backends: [backend])],
            attached: [:])
        return ServiceFacts(
            setup: setup, devices: [eth0],
            addresses: [
                InterfaceAddress(
                    interface: 2, address: IPAddress("20.1.1.1")!, prefixLength: 24, isGlobalScope: true)
            ],
            nextHops: [backend: .success(hop("02:00:00:00:00:0a"))],
            snatPorts: try SNATPorts(ephemeral: 32768...60999, reserved: []), sockets: [], forwards: false)
    }

    private func lines(_ facts: ServiceFacts) -> [String] {
        facts.diagnoses().map { "\($0.level) \($0.line)" }
    }

    @Test("services in order have no finding but the routes, which are others'")
    func healthy() throws {
        #expect(
            lines(try Self.facts()) == [
                "ok 36280 ports for SNAT, no socket of this host is on one",
                "unknown 1 frontend address that others have to route to this host: see to the routes on the routers in front of it",
                "ok 1 backend address with a route and a link address",
            ])
        #expect(lines(try Self.facts(frontend: "20.1.1.1:80"))[1] == "ok 1 frontend address of this host")
    }

    @Test(
        "each fault around services has its line and its mend",
        arguments: [
            Fault(
                { $0.sockets = Self.sockets("0.0.0.0:8080", "127.0.0.1:8081", "20.1.1.1:40000") },
                "warning SNAT may use port 8080, which sockets of this host have: add it to net.ipv4.ip_local_reserved_ports, then restart the agent"
            ),
            Fault(
                {
                    $0.sockets = Self.sockets("0.0.0.0:8080", "[::]:9000")
                    $0.setup.snatPorts = 1024...9999
                },
                "warning SNAT may use ports 8080,9000, which sockets of this host have: give another --snat-port-range"
            ),
            Fault(
                { $0.sockets = (2001...2010).map { LocalSocket(address: IPAddress("0.0.0.0")!, port: $0) } },
                "warning SNAT may use ports 2001,2002,2003,2004,2005,2006,2007,2008 and 2 more, which sockets of this host have: add them to net.ipv4.ip_local_reserved_ports, then restart the agent"
            ),
            Fault({ ($0.snatPorts, $0.snatFault) = (nil, "only 5 ports are left") }, "error only 5 ports are left"),
            Fault(
                { $0.setup.services[0].frontend = Frontend("20.1.1.9:80")! },
                "warning frontend 20.1.1.9 is on the subnet of eth0 and no address of this host: it answers no ARP for it: ip address add 20.1.1.9/32 dev eth0"
            ),
            Fault(
                { $0.nextHops[Self.backend] = .success(Self.hop(nil)) },
                "warning backend 20.1.1.10 has no link address: it does not answer on eth0: see whether it is up and on this link"
            ),
            Fault(
                {
                    $0.nextHops[Self.backend] = .success(Self.hop(nil))
                    $0.setup.attached = nil
                },
                "unknown backend 20.1.1.10 has no link address yet: ping -c 1 20.1.1.10 asks for it"
            ),
            Fault(
                { $0.nextHops[Self.backend] = .failure(.noRoute) },
                "error backend 20.1.1.10 cannot be reached: there is no route to it (ip route get 20.1.1.10)"
            ),
            Fault(
                { $0.nextHops[Self.backend] = .failure(.otherDevice("eth1")) },
                "error backend 20.1.1.10 is reached by eth1, which is not one of --device=eth0"
            ),
            Fault(
                {
                    $0.setup.services[0].mode = .dsr
                    $0.devices.append($0.devices[0])
                },
                "unknown net.ipv4.ip_forward is 0: DSR's answers of backends whose router is this host are dropped: sysctl -w net.ipv4.ip_forward=1 if it is"
            ),
        ] as [Fault<ServiceFacts>])
    func faults(fault: Fault<ServiceFacts>) throws {
        var facts = try Self.facts(frontend: "20.1.1.1:80")
        fault.set(&facts)
        #expect(lines(facts).filter { !$0.hasPrefix("ok ") } == [fault.line])
    }

    private static func sockets(_ endpoints: String...) -> [LocalSocket] {
        endpoints.compactMap { Endpoint($0).map { LocalSocket(address: $0.address, port: $0.port) } }
    }

    @Test("the sockets of this host are read from the kernel's lists")
    func parsing() {
        let list4 = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1151 1
               1: 0101000A:0050 0201000A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1152 1
               2: 0101000A:C350 0201000A:0050 06 00000000:00000000 03:00000000 00000000     0        0 0 3
               3: 00000000:0000 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 3
               4: 0000:1F90 0000:0000 07 x
               5: 00000000:1F9
            """
        #expect(LocalSocket.all(in: list4) == Self.sockets("127.0.0.1:8080", "10.0.1.1:80"))
        let list6 = """
              sl  local_address                         remote_address                        st tx_queue rx_queue
               0: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0
            """
        #expect(LocalSocket.all(in: list6) == Self.sockets("[2001:db8::1]:443"))
        #expect(LocalSocket.all(in: "").isEmpty)
    }
}
