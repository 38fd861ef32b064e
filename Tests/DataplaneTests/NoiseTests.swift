import Addresses
import Balancer
import Testing

/// Frames that nobody meant, the same ones on every run: the model says what is for a frontend and dropped.
extension PacketTests {
    @Suite struct NoiseTests {
        /// Ethernet and IP headers that get a frame as far as they can, to frontends and to the balancer.
        static let beginnings: [[UInt8]] = {
            let requests: [Packet] = [
                .request(.tcp), .request(.udp), .request(.tcp, of: .client6), .request(.udp, of: .client6),
            ]
            var beginnings: [[UInt8]] = [[]]
            for request in requests {
                let header = request.bytes.count - request.contentBytes.count
                for length in [14, header - request.destination.octets.count, header, header + 4, header + 8] {
                    beginnings.append(Array(request.bytes.prefix(length)))
                }
                var own = request
                own.destination = request.isIPv6 ? Place.balancer6.address : Place.balancer.address
                beginnings.append(Array(own.bytes.prefix(header)))
                if request.isIPv6 {
                    own.destination = request.destination
                    own.extensions = [.hopByHop(Extension.padding), .destination(Extension.padding)]
                    beginnings.append(Array(own.bytes.prefix(header + 16)))
                }
            }
            return beginnings
        }()

        static func check(_ frame: [UInt8], _ comparison: Comparison, _ what: String) throws {
            let (outcome, differences) = try comparison.send(frame)
            if !differences.isEmpty {
                Issue.record("\(what): \(hex(frame))\n  \(differences.joined(separator: "\n  "))")
            }
            if outcome.verdict == .aborted { Issue.record("\(what) was aborted: \(hex(frame))") }
            if outcome.verdict == .pass, outcome.frame != frame { Issue.record("\(what) was changed: \(hex(frame))") }
        }

        @Test(
            "noise of any length does not make the program fail, and what goes on to the host is not changed",
            arguments: Build.allCases)
        func noise(build: Build) throws {
            let comparison = try DifferentialTests.comparison(build)
            var random = SplitMix64(seed: 5)
            let pool = (0..<8192).map { _ in UInt8.random(in: 0...255, using: &random) }
            for length in 14...1600 {
                for beginning in Self.beginnings.shuffled(using: &random).prefix(4) {
                    let start = Int.random(in: 0..<8192 - length, using: &random)
                    let frame = Array((beginning + pool[start..<start + length]).prefix(length))
                    try Self.check(frame, comparison, "\(length) bytes of noise behind \(beginning.count)")
                }
            }
        }

        @Test("each of the 256 IP protocols is forwarded, refused or goes on to the host", arguments: Build.allCases)
        func protocols(build: Build) throws {
            let comparison = try DifferentialTests.comparison(build)
            for number in UInt8.min...UInt8.max {
                for target in [
                    "40.1.1.1", "40.1.1.3", "20.1.1.1", "2001:db8:40::1", "2001:db8:40::3", "2001:db8:20::1",
                ] {
                    let destination = IPAddress(target)!
                    let source = destination.isIPv6 ? Place.client6.address : Place.client.address
                    for length in [0, 3, 8, 64] {
                        // Ports, should they be taken for such, are those of a service.
                        let content = Array(
                            ([0x9c, 0x40, 0x00, 0x50] + [UInt8](repeating: 0, count: 60)).prefix(length))
                        var packet = Packet(source: source, destination: destination, content: .other(number, content))
                        try Self.check(packet.bytes, comparison, "protocol \(number)")
                        packet.extensions = [.fragment(offset: 0, more: true, identification: 1)]
                        packet.fragment = 0x2000
                        try Self.check(packet.bytes, comparison, "protocol \(number), a first fragment")
                        packet.extensions = [.fragment(offset: 2, more: true, identification: 2)]
                        packet.fragment = 0x2002
                        try Self.check(packet.bytes, comparison, "protocol \(number), a later fragment")
                    }
                }
            }
        }

        @Test("a program without IPv6 leaves IPv6 to the host", arguments: Build.allCases)
        func withoutIPv6(build: Build) throws {
            let services = ["40.1.1.1:80/tcp", "40.1.1.1:80/udp", "40.1.1.2:*/tcp"].map {
                "\($0) \(DifferentialTests.backends(Place.backends, $0.contains("*") ? 0 : 8080))"
            }
            let comparison = try Comparison(build, ipv6: false, services: services)
            try DifferentialTests.run(comparison, frames: 2000, seed: 3, services: services)
            #expect(comparison.ways.keys.allSatisfy { !$0.contains("IPv6") })
        }
    }
}
