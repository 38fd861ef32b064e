import Addresses
import BPF
import Balancer
import Testing

/// The program on all processors at once.
extension PacketTests {
    @Suite struct ProcessorTests {
        static func flood(_ program: BPFProgram, _ frames: [[[UInt8]]]) async throws -> [[Outcome]] {
            try await withThrowingTaskGroup(of: (Int, [Outcome]).self) { group in
                for (number, share) in frames.enumerated() {
                    group.addTask {
                        let outcomes = try share.map { frame in
                            let result = try program.testRun(frame)
                            return Outcome(verdict: Verdict(rawValue: result.verdict) ?? .aborted, frame: result.frame)
                        }
                        return (number, outcomes)
                    }
                }
                return try await group.reduce(into: [[Outcome]](repeating: [], count: frames.count)) { $0[$1.0] = $1.1 }
            }
        }

        @Test(
            "connections that begin on several processors at once do not get in each other's way",
            arguments: Build.allCases)
        func together(build: Build) async throws {
            let bed = try Testbed(build, connections: 8192, snatPorts: [UInt16](20000..<60000))
            try bed.serve()
            let requests = (0..<4).map { share in
                (0..<700).map { Packet.request(from: UInt16(10000 + share * 1000 + $0)) }
            }
            let frames = requests.map { $0.map(\.bytes) }
            let first = try await Self.flood(bed.program, frames)
            var ports: Set<String> = []
            var lost = 0
            for (request, outcome) in zip(requests.joined(), first.joined()) {
                // Two that want the same slot at once: one of them is told to come again.
                if outcome.verdict == .drop {
                    lost += 1
                    continue
                }
                let out = try outcome.sent()
                let backend = try #require(Place.backend(at: out.destination))
                #expect(out == bed.forwarded(request, to: backend, build.mode, port: out.ports.source))
                if build.mode == .snat { #expect(ports.insert("\(out.destination):\(out.ports.source)").inserted) }
            }
            #expect(try bed.counters()["flow_busy"] ?? 0 == UInt64(lost))
            #expect(lost < 50)
            #expect(try bed.connections().count == 2800 - lost)
            // The second packets, on other processors, find their connections.
            let second = try await Self.flood(bed.program, frames.reversed()).reversed().joined()
            for (one, two) in zip(first.joined(), second) where one.verdict == .transmit { #expect(one == two) }
        }
    }
}
