import Foundation
import Testing

extension EndToEnd {
    @Suite("What is refused", .network(.oneLink, backends: 2))
    struct Refusals {
        private static let good = "--frontend=203.0.113.1:80 --backends=10.71.0.10:80"

        @Test("A wrong command is refused in words, changes nothing and harms no traffic") func words() async throws {
            let network = try Network.current
            try await withAgent { prompt in
                let before = try await prompt.done("service get --id 1 -o json")
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                for (line, named) in Self.lines(network) {
                    let error = try await prompt.refused(line)
                    #expect(error.contains(named), "\(line.prefix(100)): \(error)")
                    #expect(error.count < 700)
                }
                let counters = /"[a-z_]*(connections|packets|bytes)" : \d+/
                let after = try await prompt.done("service get --id 1 -o json")
                #expect(after.replacing(counters, with: "") == before.replacing(counters, with: ""))
                #expect(try await prompt.status().services == 1)
                #expect(try held.page() == page)
                _ = try await everyPage(network.pages) { try network.client.fetch(network.frontend) }
            }
        }

        /// A line, and a word that its error has to have.
        private static func lines(_ network: Network) -> [(String, String)] {
            let backends = "--backends=10.71.0.10:80"
            let frontends = [
                "300.2.3.4:80", "1.2.3:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:-1", ":80",
                "1.2.3.4:80/sctp", "1.2.3.4:80/", "01.2.3.4:80", "1.2.3.4:+80", "1.2.3.4:8 0", "example.org:80",
                "0x1.2.3.4:80", "224.0.0.1:80", "127.0.0.1:80", "0.0.0.0:80", "255.255.255.255:80",
                "[ff02::1]:80", "[::1]:80", "[::]:80", "[fe80::1]:80", "[::ffff:1.2.3.4]:80",
                "[2001:db8::1:80", "1.2.3.4:٨٠", "",
            ].map { ("service update --frontend='\($0)' \(backends)", "--frontend") }
            let lists = [
                "", ",", "10.71.0.10:80,", "10.71.0.10:80,,10.71.0.20:80", "10.71.0.10", "10.71.0.10:80/tcp",
                "10.71.0.10:80,10.71.0.10:80", "127.0.0.1:80", "224.0.0.1:80", "10.71.0.256:80",
            ].map { ("service update --frontend=203.0.113.1:80 --backends='\($0)'", "--backends") }
            let options: [(String, String)] = [
                ("--id=0", "--id"), ("--id=65536", "--id"), ("--id=x", "--id"), ("--id=1e3", "--id"),
                ("--id=-1", "--id"), ("--backend-weights=65536", "--backend-weights"),
                ("--backend-weights=1,2", "--backend-weights"), ("--states=dead", "--states"),
                ("--algorithm=rr", "--algorithm"), ("--affinity=-5", "--affinity"), ("--affinity=0", "--affinity"),
                ("--source-ranges=10.0.0.1/8", "--source-ranges"), ("--source-ranges=10.0.0.0/33", "--source-ranges"),
                ("--bogus=1", "--bogus"), ("surplus", "surplus"), ("-o yaml", "yaml"),
            ]
            let state: [(String, String)] = [
                // Owners are named.
                ("service update \(good) --id=1", "\(network.frontend):80"),
                ("service update --frontend=\(network.frontend):80 \(backends) --id=2", "id 1"),
                ("service update --frontend=203.0.113.1:80 --backends=203.0.113.1:80", "203.0.113.1:80"),
                // No way to them: no route, the host itself.
                ("service update --frontend=203.0.113.1:80 --backends=10.71.0.10:80,192.0.2.9:80", "192.0.2.9:80"),
                (
                    "service update --frontend=203.0.113.1:80 --backends=\(network.balancer.address):80",
                    network.balancer.address
                ),
                ("service get --id 2", "2"), ("service delete --id 2", "2"), ("service dumpstate --id 2", "2"),
                ("service delete", "--all"), ("service delete --id 1 --all", "--all"), ("mode update", "mode"),
                ("mode update SNAT", "SNAT"), ("mode", "update"), ("service remove", "remove"),
                ("nonsense", "nonsense"),
                ("service list 'open", "quote"), ("service list \"open", "quote"), ("service list \\", "backslash"),
            ]
            let x = String(repeating: "x", count: 5000)
            let long = [
                (x, "xxx"), ("service update --frontend=\(x) \(backends)", "--frontend"),
                ("service get --id=\(x)", "--id"),
                ("mode update \(x)", "xxx"), ("service list --\(x)", "xxx"),
            ]
            return frontends + lists + options.map { ("service update \(good) \($0.0)", $0.1) } + state + long
        }

        @Test("Control bytes and text that is none are refused in words") func bytes() async throws {
            let network = try Network.current
            let lines: [[UInt8]] = [
                [0x00], [0x01, 0x1B, 0x5B, 0x41], [0xFF, 0xFE, 0x80], [0x07], Array("service\u{202E}list".utf8),
                Array("service get --id=".utf8) + [0x00, 0x31],
                Array("mode update ".utf8) + [0x1B, 0x5B, 0x33, 0x31, 0x6D],
                Array("service update --frontend=1.2.3.4:80".utf8) + [0x00] + Array(" --backends=10.71.0.10:80".utf8),
            ]
            for line in lines {
                let input = String(decoding: line, as: UTF8.self)
                let path = "\(network.folder)/input"
                try Data(line + Array("\nversion\n".utf8)).write(to: URL(fileURLWithPath: path))
                let words = network.balancer.command(Program.words(["--device=eth0"])).joined(separator: " ")
                let finished = try await run(["sh", "-c", "exec \(words) <\(path)"])
                #expect(finished.status == 2, "\(input): \(finished)")
                #expect(finished.errorLines.count == 1 && finished.errors.hasPrefix("error: "), "\(finished)")
                #expect(
                    !finished.errors.dropLast().unicodeScalars.contains { $0.properties.generalCategory == .control })
            }
        }

        @Test("A backend behind another device is refused by name") func otherDevice() async throws {
            let network = try Network.current
            let host = network.balancer
            try await host.shell(
                "ip link add eth9 type veth peer name far9; ip address add 10.99.0.1/24 dev eth9; ip link set eth9 up; ip link set far9 up"
            )
            try await withAgent { prompt in
                let error = try await prompt.refused("service update --frontend=203.0.113.1:80 --backends=10.99.0.2:80")
                #expect(error.contains("10.99.0.2:80") && error.contains("eth9"), "\(error)")
                #expect(try await prompt.status().services == 1)
            }
            try await host.shell("ip link delete eth9")
        }
    }
}
