import Addresses
import BPF
import Balancer
import CDataplane
import Testing

@testable import Agent

/// A million new connections as fast as the program takes them, through a table that has room for far fewer.
extension PacketTests {
    @Suite struct FloodTests {
        struct Row: CustomTestStringConvertible {
            var mode: Mode
            var isIPv6: Bool
            var testDescription: String { "\(mode.rawValue), \(isIPv6 ? "IPv6" : "IPv4")" }
        }

        static let rows = Mode.allCases.flatMap { mode in [false, true].map { Row(mode: mode, isIPv6: $0) } }
        static let connections: Range<UInt32> = 3_000_000_000..<3_000_000_300
        static let flood = 1_000_000

        /// Where a packet of each connection goes: backend and port, in SNAT the balancer's end too.
        static func ways(_ target: BenchTarget, _ flags: PacketFrame.Flags) throws -> [[UInt8]] {
            try connections.map { flow in
                let frame = PacketFrame.tcp(
                    from: target.places.client(flow), to: target.places.frontend(ofFlow: flow), flags)
                let out = try target.program.testRun(frame)
                #expect(Verdict(rawValue: out.verdict) == .transmit)
                // The outer header in DSR, in SNAT the translated one and its ports; no checksums, and no TTL.
                let header = 14 + PacketFrame.ipHeader(target.what.isIPv6)
                let addresses = target.what.isIPv6 ? 22..<54 : 26..<34
                return Array(out.frame[addresses]) + (target.what.mode == .snat ? out.frame[header..<header + 4] : [])
            }
        }

        /// Backends answer, so that the connections are confirmed in SNAT.
        static func answer(_ target: BenchTarget) throws {
            for flow in connections {
                let request = PacketFrame.tcp(
                    from: target.places.client(flow), to: target.places.frontend(ofFlow: flow), .ack)
                let ends = try #require(PacketFrame.ends(try target.program.testRun(request).frame))
                let reply = PacketFrame.tcp(from: ends.destination, to: ends.source, .ack)
                #expect(Verdict(rawValue: try target.program.testRun(reply).verdict) == .transmit)
            }
        }

        @Test("confirmed connections go on through a million new ones, all of which are forwarded", arguments: rows)
        func millionNewOnes(row: Row) async throws {
            let clang = try Programs.clang.get()
            var options = AgentOptions(mode: row.mode, devices: [])
            options.flowTableSize = 16384
            options.maglevSize = Programs.maglevSize
            var memory = PlanMemory()
            let target = try BenchTarget(
                BenchProgram(modes: [row.mode], mode: row.mode, isIPv6: row.isIPv6), options: options, clang: clang,
                clock: Clock(hertz: 250), memory: &memory)
            let before = try Self.ways(target, .syn)
            if row.mode == .snat { try Self.answer(target) }
            for _ in 0..<3 { #expect(try Self.ways(target, .ack) == before) }
            // In DSR a connection is confirmed by packets over some time: more than a tick.
            try await Task.sleep(for: .milliseconds(1200))
            #expect(try Self.ways(target, .ack) == before)

            let driver = try BenchDriver(clang: clang)
            let request = PacketFrame.tcp(from: target.places.client(0), to: target.places.frontend(ofFlow: 0), .syn)
            let head = row.mode == .dsr ? PacketFrame.ipHeader(row.isIPv6) : 0
            let packets = BenchTraffic(frame: request, isIPv6: row.isIPv6, flows: 1 << 32, head: head)
            _ = try driver.send(packets, to: target.program, count: Self.flood)
            #expect(try target.dropNames() == "")
            #expect(try target.count(EventCounter.unconfirmedEvicted.counter) > UInt64(Self.flood) * 9 / 10)
            #expect(try target.count(EventCounter.dsrEvicted.counter) == 0)
            #expect(try Self.ways(target, .ack) == before)
        }
    }
}
