import Testing

@testable import Balancer

@Suite struct PathsTests {
    private func paths(_ mode: Mode, _ requests: ServiceRequest...) throws -> Paths {
        var state = DesiredState(mode: mode)
        for request in requests { _ = try state.update(request, origin: .command) }
        return state.paths
    }

    @Test("a program has the paths of the services, and the agent's mode where a service follows it")
    func needed() throws {
        #expect(try paths(.snat) == Paths([.snat]))
        #expect(try paths(.dsr) == Paths([.dsr]))
        #expect(try paths(.snat, request("40.1.1.1:80")) == Paths([.snat]))
        #expect(try paths(.snat, request("40.1.1.1:80", mode: "dsr")) == Paths([.dsr]))
        #expect(try paths(.snat, request("40.1.1.1:80", mode: "dsr"), request("40.1.1.1:81")) == Paths([.snat, .dsr]))
        #expect(try paths(.dsr, request("40.1.1.1:80", mode: "snat")) == Paths([.snat]))
    }

    @Test("IPv6 is needed for an IPv6 frontend, and for an IPv6 backend of an IPv4 frontend")
    func ipv6() throws {
        let six = "[2001:db8::1]:80"
        #expect(try paths(.snat, request(six, "[2001:db8:20::10]:80")) == Paths([.snat], ipv6: true))
        #expect(try paths(.dsr, request(six, "20.1.1.10:80")) == Paths([.dsr], ipv6: true))
        #expect(try paths(.dsr, request("40.1.1.1:80", "20.1.1.10:80,[2001:db8:20::10]:80")).ipv6)
        #expect(try !paths(.dsr, request("40.1.1.1:80")).ipv6)
        #expect(!BackendKey(frontend: "40.1.1.1:80", backend: "20.1.1.10:80").needsIPv6)
        #expect(BackendKey(frontend: "40.1.1.1:80", backend: "[2001:db8:20::10]:80").needsIPv6)
        #expect(BackendKey(frontend: "[2001:db8::1]:80", backend: "20.1.1.10:80").needsIPv6)
    }

    @Test("paths are joined, compared, named, and become the macros of the program")
    func algebra() {
        let (snat, six) = (Paths([.snat]), Paths([.dsr], ipv6: true))
        let all = snat.union(six)
        #expect(all == Paths([.snat, .dsr], ipv6: true))
        #expect(all.isSuperset(of: six) && all.isSuperset(of: snat) && all.isSuperset(of: all))
        #expect(!snat.isSuperset(of: six) && !six.isSuperset(of: snat))
        #expect(!Paths([.dsr]).isSuperset(of: six) && six.isSuperset(of: Paths([.dsr])))
        #expect(all.description == "snat+dsr+ipv6")
        #expect(all.macros == ["L4LB_SNAT", "L4LB_DSR", "L4LB_IPV6"])
        #expect(snat.macros == ["L4LB_SNAT"])
    }
}
