import Balancer
import CDataplane
import Testing

@testable import Agent

/// What an agent reads of the program that runs already.
extension PacketTests {
    @Suite struct AdoptionTests {
        @Test("the constants of a running program are read back, the secret seeds among them")
        func constants() throws {
            let bed = try Testbed(.snat)
            try bed.loadAnew(Paths([.snat])) { $0.flow_seed.0 = 0x0102_0304_0506_0708 }
            let config = try AdoptedPath.config(of: bed.program, root: "/sys/fs/bpf/l4lb")
            #expect(config.flow_seed.0 == 0x0102_0304_0506_0708)
            #expect(config.layout == UInt32(L4LB_LAYOUT) && config.records == bed.config.records)
        }

        @Test("a program of a version whose maps are laid out otherwise is refused in words", arguments: [-1, 1])
        func otherLayout(step: Int) throws {
            let bed = try Testbed(.snat)
            try bed.loadAnew(Paths([.snat])) { $0.layout = UInt32(Int($0.layout) + step) }
            let error = #expect(throws: AgentError.self) {
                _ = try AdoptedPath.config(of: bed.program, root: "/sys/fs/bpf/l4lb")
            }
            #expect(error?.description.contains("belongs to another version of l4lb") == true)
        }
    }
}
