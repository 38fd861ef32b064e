import Addresses
import Balancer
import CDataplane
import Testing

@Suite struct CounterTests {
    @Test("each counter of the XDP program has exactly one name")
    func counters() {
        #expect(DropReason.allCases.map(\.counter) == Array(0..<L4LB_DROP_COUNT.rawValue))
        #expect(EventCounter.allCases.map(\.counter) == Array(L4LB_DROP_COUNT.rawValue..<L4LB_COUNTER_COUNT.rawValue))
    }

    @Test("the names are snake_case, and no two are the same")
    func names() {
        let names = DropReason.allCases.map(\.rawValue) + EventCounter.allCases.map(\.rawValue)
        #expect(Set(names).count == names.count)
        #expect(
            names.allSatisfy { $0.allSatisfy { $0 == "_" || ("a"..."z").contains($0) || ("0"..."9").contains($0) } })
    }

    @Test("modes are named as the user writes them")
    func modes() {
        #expect(Mode.allCases.map(\.rawValue) == ["snat", "dsr"])
        #expect(BackendState.allCases.map(\.rawValue) == ["active", "draining", "maintenance"])
        #expect(Algorithm.allCases.map(\.rawValue) == ["maglev", "random"])
        #expect(TransportProtocol.allCases.map(\.description) == ["tcp", "udp"])
        #expect(TransportProtocol.allCases.map(\.rawValue) == [6, 17])
        #expect(TransportProtocol("TCP") == nil)
    }
}
