import BPF
import Balancer
import Testing

@testable import Agent

/// The driver of `l4lb bench`, and what it takes for right.
extension PacketTests {
    @Suite struct BenchTests {
        @Test("the driver sends each flow the packet that the flow has", arguments: [false, true], [0, 20])
        func flows(isIPv6: Bool, head: Int) throws {
            let driver = try BenchDriver(clang: try Programs.clang.get())
            let frames = BenchFrames(BenchProgram(modes: [.dsr], mode: .dsr, isIPv6: isIPv6))
            for flows in [UInt64(1), 1 << 16, 1 << 32] {
                let packets = BenchTraffic(
                    frame: frames.request(.syn), isIPv6: isIPv6, flows: flows, head: head)
                for next in [UInt64(0), 1, 2, 65535, 65536, 0x1234_5678_9abc] {
                    let flow = UInt32(truncatingIfNeeded: next) &* 0x9e37_79b1 & UInt32(truncatingIfNeeded: flows - 1)
                    let out = try driver.sendOneToNobody(packets, next: next)
                    #expect(out.verdict == 3)
                    let expected = frames.request(.syn, flow: flow)
                    // A target that makes room leaves what lies there as it was.
                    #expect(Array(out.frame.dropFirst(head)).withoutChecksums == expected.withoutChecksums, "\(next)")
                    #expect(out.frame.count == expected.count + head)
                }
            }
        }

        @Test("no two of the flows that are to be different are the same")
        func differentFlows() {
            for isIPv6 in [false, true] {
                let places = BenchPlaces(isIPv6: isIPv6)
                let flows = (0..<UInt32(1) << 16).map { "\(places.client($0)) \(places.frontend(ofFlow: $0))" }
                #expect(Set(flows).count == flows.count)
                #expect(Set((0..<UInt32(1) << 16).map { places.frontend(ofFlow: $0) }).count == 512)
            }
        }

        @Test("a frame that is wrong in any byte is not taken for right", arguments: [false, true])
        func wrongFrames(isIPv6: Bool) throws {
            let frames = BenchFrames(BenchProgram(modes: [.dsr], mode: .dsr, isIPv6: isIPv6))
            let places = frames.places
            let inner = PacketFrame.tcp(
                from: places.client(0), to: places.frontend(0), .ack, hops: 63,
                link: (BenchPlaces.nextHop, BenchPlaces.ours))
            let right = PacketFrame.encapsulated(
                inner, from: places.balancer, to: places.backends(of: 0)[3].address, label: isIPv6 ? 0x12345 : 0)
            #expect(frames.isRight(right, for: .oneFlow))
            // The flow label alone is free.
            for at in right.indices where !(isIPv6 && (15..<18).contains(at)) {
                var wrong = right
                wrong[at] ^= 0x40
                #expect(!frames.isRight(wrong, for: .oneFlow), "byte \(at)")
            }
            #expect(!frames.isRight(inner, for: .oneFlow))
        }
    }
}

extension [UInt8] {
    /// The driver does not mend checksums, which no target looks at.
    fileprivate var withoutChecksums: [UInt8] {
        self[12] == 0x08
            ? replacing(at: 24, with: [0, 0]).replacing(at: 50, with: [0, 0]) : replacing(at: 70, with: [0, 0])
    }
}
