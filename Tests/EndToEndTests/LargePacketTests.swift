import Foundation
import Testing

extension EndToEnd {
    @Suite("Large packets", .network(.oneLink, backends: 2))
    struct LargePackets {
        /// Full-sized packets do not fit into the tunnel of DSR, and may not be fragmented: the client's kernel has to
        /// learn the smaller size from the balancer's ICMP (RFC 1191).
        @Test("An upload of full-sized packets arrives", arguments: ["snat", "dsr"])
        func upload(mode: String) async throws {
            let network = try Network.current
            // What an earlier test's client has learned does not count.
            try await network.client.shell("ip route flush cache")
            try await withAgent("--bpf-lb-mode=\(mode)") { prompt in
                let sent = try await run(
                    network.client.command([
                        "curl", "-fsS", "--max-time", "20", "-H", "Expect:", "--data-binary", "@\(network.folder)/big",
                        "\(network.url)take",
                    ]))
                #expect(sent.status == 0, "\(sent.errors)")
                #expect(network.pages.contains(sent.output.trimmingCharacters(in: .newlines)))
                let learned = try await network.client.shell("ip route get \(network.frontend)").contains("mtu 1480")
                let told = try await prompt.status().events["icmp_too_big_sent"] ?? 0
                #expect(learned == (mode == "dsr"))
                #expect(mode == "dsr" ? told > 0 : told == 0)
            }
        }

        /// The first datagram of DSR is answered with ICMP only: UDP does not send it again.
        @Test("Datagrams that come in fragments are answered in fragments", arguments: ["snat", "dsr"])
        func fragments(mode: String) async throws {
            let network = try Network.current
            try await network.client.shell("ip route flush cache")
            let echoes = try network.backends.map {
                try UDPEcho(on: $0, at: mode == "snat" ? $0.address : network.frontend, 5353)
            }
            defer { for echo in echoes { echo.stop() } }
            try await withAgent("--bpf-lb-mode=\(mode)") { prompt in
                let backends = network.backends.map { "\($0.address):5353" }.joined(separator: ",")
                try await prompt.done(
                    "service update --frontend=\(network.frontend):5353/udp --backends=\(backends) --id=2")
                let text = String(repeating: "0123456789", count: 400)
                let sees = mode == "snat" ? network.balancer.address : network.client.address
                let answers = Set(network.backends.map { "\($0.address) \(sees) \(text)" })
                for _ in 0..<5 {
                    let socket = try ClientSocket(
                        SOCK_DGRAM, from: network.client, to: network.frontend, 5353, within: 500)
                    if mode == "dsr" { _ = try? socket.ask(text) }
                    let first = try socket.ask(text)
                    #expect(answers.contains(first))
                    #expect(try socket.ask(text) == first, "a flow stays with its backend")
                }
                #expect(try await prompt.status().drops["fragment"] == 0)
            }
        }

        /// Frames larger than a page come to XDP in several parts, which native mode takes from `xdp.frags` alone.
        @Test("Jumbo frames are balanced, both ways") func jumbo() async throws {
            let network = try Network.current
            let hosts = [network.client, network.balancer] + network.backends
            let setMTU = { (mtu: Int) in
                for host in hosts { try await host.shell("ip link set dev eth0 mtu \(mtu)") }
                try await shell(
                    "for port in client lb b1 b2 br0; do ip -n \(network.switchboard) link set dev $port mtu \(mtu); done"
                )
            }
            // In SNAT backends need no program, and theirs are for smaller frames.
            for backend in network.backends { try await backend.shell("ip link set dev eth0 xdpdrv off") }
            try await shell("ip -n \(network.switchboard) link set dev lb xdpdrv off")
            try await shell(network.attachXDP(section: "xdp.frags", to: "lb", in: network.switchboard))
            try await setMTU(9000)
            try await network.client.shell("ip route flush cache")
            try await withAgent { prompt in
                let sent = try await run(
                    network.client.command([
                        "curl", "-fsS", "--max-time", "20", "-H", "Expect:", "--data-binary", "@\(network.folder)/big",
                        "\(network.url)take",
                    ]))
                #expect(network.pages.contains(sent.output.trimmingCharacters(in: .newlines)), "\(sent.errors)")
                #expect(try await network.download().arrives())
                let sums = try await prompt.dump().backends.reduce(into: (0, 0)) {
                    $0 = ($0.0 + $1.packets, $0.1 + $1.bytes)
                }
                // 3 MB in full-sized packets, and acknowledgements: far fewer packets than of 1500 bytes.
                #expect(sums.1 > Network.fileSize && sums.1 / sums.0 > 1500, "\(sums)")
            }
            try await setMTU(1500)
        }
    }
}
