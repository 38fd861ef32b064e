import BPF
import Balancer
import CDataplane
import Testing

@testable import Agent

/// Samples of drops for `monitor drops`.
extension PacketTests {
    @Suite struct MonitorTests {
        private static func listen(_ testbed: Testbed, most: UInt32) throws -> RingBuffer {
            try testbed.maps.monitor.update(
                UInt32(0), l4lb_monitor(enabled: most == 0 ? 0 : 1, per_tick: most, tick: 0, taken: 0))
            return try RingBuffer(testbed.maps.dropSamples)
        }

        private static let malformed = Packet.request(.tcp, .ack, payload: [1, 2, 3, 4]).bytes.replacing(
            at: 46, with: 0x40)

        @Test("a dropped packet is shown with its reason, its service and its ends", arguments: Build.allCases)
        func sample(build: Build) throws {
            let testbed = try Testbed(build)
            try testbed.serve()
            let ring = try Self.listen(testbed, most: 10)
            #expect(try testbed.send(Self.malformed).verdict == .drop)
            let records = try ring.read()
            #expect(records.count == 1)
            let packet = try #require(records.first.flatMap(DroppedPacket.init))
            #expect(packet.reason == .malformed)
            #expect(packet.service == 1)
            #expect(packet.interface == 1)
            #expect(packet.length == UInt32(Self.malformed.count))
            #expect(packet.head == PacketHead(frame: Self.malformed))
            #expect(packet.head.client == "192.0.2.10:40000")
            #expect(packet.head.target == "40.1.1.1:80")
            #expect(try ring.read().isEmpty)
        }

        @Test("the sample holds the frame's own bytes, as many as fit", arguments: [58, 127, 128, 129, 1514])
        func bytes(size: Int) throws {
            let testbed = try Testbed(.snat)
            try testbed.serve()
            let ring = try Self.listen(testbed, most: 10)
            let padding = (0..<size - Self.malformed.count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
            let frame = Self.malformed + padding
            #expect(try testbed.send(frame).verdict == .drop)
            let record = try #require(try ring.read().first)
            let kept = min(size, Int(L4LB_SAMPLE_BYTES))
            let offset = try #require(MemoryLayout<l4lb_drop_sample>.offset(of: \.bytes))
            #expect(Array(record[offset..<offset + kept]) == Array(frame[..<kept]))
            #expect(try #require(DroppedPacket(record: record)).length == UInt32(size))
        }

        @Test("each reason shows as itself")
        func reasons() throws {
            let testbed = try Testbed(.snat)
            try testbed.serve("40.1.1.1:80", [1], states: "maintenance")
            try testbed.serve("40.1.1.1:81", sourceRanges: "198.51.100.0/24")
            let ring = try Self.listen(testbed, most: 10)
            for (frame, reason, service) in [
                (Packet.request(.tcp).bytes, DropReason.noBackend, UInt16(1)),
                (Packet.request(.tcp, to: 81).bytes, .sourceRange, 2),
                (Self.malformed, .malformed, 1),
            ] {
                #expect(try testbed.send(frame).verdict == .drop)
                let packet = try #require(try ring.read().first.flatMap(DroppedPacket.init))
                #expect(packet.reason == reason)
                #expect(packet.service == service)
            }
        }

        @Test("while nobody listens there are no samples, and packets that are not dropped never are")
        func nobody() throws {
            let testbed = try Testbed(.snat)
            try testbed.serve()
            let ring = try Self.listen(testbed, most: 0)
            #expect(try testbed.send(Self.malformed).verdict == .drop)
            #expect(try ring.read().isEmpty)
            #expect(try testbed.counters() == ["malformed": 1])
            _ = try Self.listen(testbed, most: 10)
            try testbed.forward(.request(.tcp), .snat)
            #expect(try ring.read().isEmpty)
        }

        @Test("in a tick no more drops are shown than were asked for, and all are counted")
        func limit() throws {
            let testbed = try Testbed(.snat)
            try testbed.serve()
            let ring = try Self.listen(testbed, most: 3)
            for _ in 0..<10 { #expect(try testbed.send(Self.malformed).verdict == .drop) }
            #expect(try ring.read().count == 3)
            #expect(try testbed.counters() == ["malformed": 10])
            // A new tick is a new count.
            try testbed.maps.monitor.update(
                UInt32(0), l4lb_monitor(enabled: 1, per_tick: 3, tick: try testbed.now() &- 1, taken: 99))
            for _ in 0..<10 { #expect(try testbed.send(Self.malformed).verdict == .drop) }
            #expect(try ring.read().count == 3)
        }

        @Test("a ring that nobody empties costs samples, not packets or counts")
        func full() throws {
            let testbed = try Testbed(.snat)
            try testbed.serve()
            let ring = try Self.listen(testbed, most: 1_000_000)
            for _ in 0..<3000 { #expect(try testbed.send(Self.malformed).verdict == .drop) }
            let record = MemoryLayout<l4lb_drop_sample>.size + 8
            let room = Int(L4LB_SAMPLE_RING_BYTES) / record
            #expect((room - 1...room).contains(try ring.read().count))
            #expect(try testbed.counters() == ["malformed": 3000])
            #expect(try testbed.send(Self.malformed).verdict == .drop)
            #expect(try ring.read().count == 1)
        }

        @Test(
            "the rate is one of all processors together, in whole samples of a tick",
            arguments: [(0, 0, 0), (1, 1, 1), (1000, 1, 256), (100_000, 1, 25_600)])
        func rate(rate: Int, enabled: UInt32, perTick: UInt32) {
            let monitor = l4lb_monitor(rate: rate, tick: 0.256)
            #expect(monitor.enabled == enabled)
            #expect(monitor.per_tick == perTick)
        }
    }
}
