import CDataplane
import Testing

@testable import Balancer

@Suite struct FindingTests {
    @Test(
        "a finding tells the action, a drop's reason and a new connection's backend",
        arguments: [
            (2, .pass, nil), (3, .forward, nil), (4, .redirect, nil), (0, .drop(nil), nil),
            (1 | L4LB_DROP_NO_BACKEND.rawValue << 4, .drop(.noBackend), nil),
            (1 | L4LB_DROP_SOURCE_RANGE.rawValue << 4, .drop(.sourceRange), nil),
            (1 | 0xfff << 4, .drop(nil), nil), (3 | 8 | 7 << 4, .forward, 7), (4 | 8 | 0xffff << 4, .redirect, 0xffff),
        ] as [(UInt32, Finding.Verdict, UInt16?)])
    func reads(value: UInt32, verdict: Finding.Verdict, backend: UInt16?) {
        let finding = Finding(value)
        #expect(finding.verdict == verdict && finding.newBackend == backend)
    }
}
