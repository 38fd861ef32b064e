import Addresses
import Balancer
import Testing

/// Frames that nobody meant, the same ones on every run.
extension PacketTests {
    @Suite struct NoiseTests {
        /// Makes frames of 14 to 1600 bytes out of random bytes, and out of honest frames with some
        /// bytes changed, cut off or added.
        struct Noise {
            var random = SplitMix64(seed: 5)
            let pool: [UInt8]
            /// Replies to connections that exist: they are to be hurt as well.
            var replies: [[UInt8]] = []

            init() {
                var random = SplitMix64(seed: 6)
                pool = (0..<8192).map { _ in UInt8.random(in: 0...255, using: &random) }
            }

            mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

            mutating func bytes(_ count: Int) -> [UInt8] {
                let start = number(0..<8192 - count)
                return Array(pool[start..<start + count])
            }

            mutating func honest() -> [UInt8] {
                let payload = bytes([0, 1, 2, 17, 64, 600, 1400][number(0..<7)])
                let port = UInt16(number(40000..<40064))
                let flags = TCP.Flags(rawValue: UInt8(number(0..<256)))
                switch number(0..<9) {
                case 0...2: return Packet.request(.tcp, from: port, flags, payload: payload).bytes
                case 3, 4: return Packet.request(.udp, from: port, payload: payload).bytes
                case 5: return EchoTests.echo(payload).bytes
                case 6:
                    var packet = Packet.request(.tcp, from: port, flags, payload: payload)
                    packet.options = bytes(4 * number(1..<11))
                    return packet.bytes
                default: return replies.isEmpty ? bytes(60) : replies[number(0..<replies.count)]
                }
            }

            mutating func next() -> [UInt8] {
                var frame = honest()
                switch number(0..<10) {
                case 0:
                    frame = bytes(number(14..<1601))
                case 1, 2:
                    // Random behind headers that get it as far as they can.
                    let kept = [14, 20, 24, 34, 38, 54][number(0..<6)]
                    frame = Array(frame.prefix(kept)) + bytes(number(max(0, 14 - kept)..<1601 - kept))
                case 3:
                    frame = Array(frame.prefix(number(14..<frame.count + 1)))
                case 4:
                    frame += bytes(number(0..<1601 - min(frame.count, 1600)))
                case 5:
                    break
                default:
                    for _ in 0..<number(1..<5) {
                        // Headers are hurt more often than payloads.
                        let place = number(0..<(number(0..<4) == 0 ? frame.count : min(frame.count, 58)))
                        frame[place] = UInt8(number(0..<256))
                    }
                }
                return frame
            }
        }

        @Test(
            "no frame makes the program fail, and one that goes on to the host is not changed",
            arguments: Build.allCases)
        func noise(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            var noise = Noise()
            for port in UInt16(40000)..<40032 {
                for transport in TransportProtocol.allCases {
                    let out = try bed.forward(.request(transport, from: port), build.mode)
                    if build.mode == .snat { noise.replies.append(out.reply(payload: [1, 2, 3]).bytes) }
                }
            }
            var verdicts: [Verdict: Int] = [:]
            for number in 0..<20_000 {
                let frame = noise.next()
                let out = try bed.send(frame)
                verdicts[out.verdict, default: 0] += 1
                if out.verdict == .pass, out.frame != frame { Issue.record("frame \(number) was changed: \(frame)") }
                if out.verdict == .aborted { Issue.record("frame \(number) was aborted: \(frame)") }
                // What came with true lengths and valid checksums leaves with such.
                if out.verdict == .transmit, number % 8 == 0, Packet(frame) != nil, Packet(out.frame) == nil {
                    Issue.record("frame \(number) left with wrong checksums: \(frame)")
                }
            }
            // All of the ways through the program were gone.
            for verdict in [Verdict.pass, .drop, .transmit] { #expect(verdicts[verdict] ?? 0 > 1000, "\(verdicts)") }
            let reasons = try Set(bed.counters().keys)
            #expect(reasons.isSuperset(of: ["malformed", "fragment", "ip_options", "icmp_echo_answered"]))
        }
    }
}
