import Foundation
import Testing

extension EndToEnd {
    @Suite("The API over TCP", .network(.oneLink, backends: 1))
    struct OverTCP {
        /// curl's answer: the status, 0 where there is none.
        private func curl(_ host: Host, _ words: [String], _ url: String) async throws -> (status: Int, body: String) {
            let finished = try await run(
                host.command(["curl", "-sS", "--max-time", "10", "-w", "%{http_code}"] + words + [url]))
            return (Int(finished.output.suffix(3)) ?? 0, String(finished.output.dropLast(3)))
        }

        /// Of the certificate that is shown.
        private func serial(_ host: Host, _ words: [String], _ url: String) async throws -> String {
            let words = words + ["-w", "%{certs}", "-o", "/dev/null"]
            let finished = try await run(host.command(["curl", "-sS", "--max-time", "10"] + words + [url]))
            let line = finished.output.split(separator: "\n").first { $0.hasPrefix("Serial Number:") }
            return String(try #require(line, "\(finished.output)"))
        }

        @Test("From elsewhere only who has a certificate of the CA is served") func certificates() async throws {
            let network = try Network.current
            let files = try await Certificates(in: network.folder, address: network.balancer.address)
            let agent = try await ServiceAgent(on: network.balancer)
            let url = "https://\(network.balancer.address):9100/v1/mode"
            let ca = ["--cacert", files["ca.pem"]]
            let client = ca + ["--cert", files["client.pem"], "--key", files["client.key"]]
            do {
                try await agent.start(["--listen=:9100"] + files.flags())
                let from = network.client
                let served = try await curl(from, client, url)
                #expect(served.status == 200 && served.body.contains("snat"))
                #expect(try await curl(from, client + ["--tls-max", "1.2"], url).status == 200)
                #expect(try await curl(from, client + ["-X", "PUT", "-d", "{\"mode\": \"dsr\"}"], url).status == 200)
                #expect(try await agent.done("mode get") == "dsr")
                for (name, words) in [
                    ("no certificate", ca),
                    ("another CA's", ca + ["--cert", files["stranger.pem"], "--key", files["stranger.key"]]),
                    ("an old protocol", client + ["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]),
                ] {
                    let refused = try await curl(from, words + ["-X", "PUT", "-d", "{\"mode\": \"snat\"}"], url)
                    #expect(refused.status == 0 && refused.body.isEmpty, "\(name)")
                }
                let plain = try await curl(from, [], "http://\(network.balancer.address):9100/v1/mode")
                #expect(plain.status == 0 && plain.body.isEmpty)
                #expect(try await agent.done("mode get") == "dsr")
                // Another certificate of the same CA, at a SIGHUP; a file that is wrong changes nothing.
                let before = try await serial(from, client, url)
                try await files.renew(address: network.balancer.address)
                agent.hangUp()
                try await eventually("the new certificate is shown") { try await serial(from, client, url) != before }
                let after = try await serial(from, client, url)
                try Data("no certificate".utf8).write(to: URL(fileURLWithPath: files["server.pem"]))
                agent.hangUp()
                try await eventually("the wrong file is told") {
                    agent.log.contains("the certificate stays what it was")
                }
                #expect(try await serial(from, client, url) == after)
                #expect(try await curl(from, client, url).status == 200)
                let six = "https://[\(network.balancer.address6)]:9100/metrics"
                let metrics = try await curl(from, client + ["--insecure"], six)
                #expect(metrics.status == 200 && metrics.body.contains("l4lb_ready 1"))
            } catch {
                try? await agent.remove()
                throw error
            }
            try await agent.remove()
        }

        @Test("On loopback plain HTTP is served, but to no web page") func loopback() async throws {
            let network = try Network.current
            let agent = try await ServiceAgent(on: network.balancer)
            do {
                try await agent.start("--listen=127.0.0.1:9100")
                let (host, url) = (network.balancer, "http://127.0.0.1:9100/v1/mode")
                #expect(try await curl(host, [], url).status == 200)
                #expect(try await curl(host, ["-H", "Origin: http://example.com"], url).status == 403)
                #expect(try await curl(host, ["-H", "Host: example.com"], url).status == 403)
                let elsewhere = try await curl(network.client, [], "http://\(host.address):9100/v1/mode")
                #expect(elsewhere.status == 0)
            } catch {
                try? await agent.remove()
                throw error
            }
            try await agent.remove()
        }

        @Test("An agent whose port would be open, or whose files are wrong, says so and does not start")
        func refused() async throws {
            let network = try Network.current
            let files = try await Certificates(in: network.folder, address: network.balancer.address)
            let all = ["--listen=0.0.0.0:9100"]
            for (words, status, said): ([String], Int32, String) in [
                (all, 2, "--listen: 0.0.0.0:9100 can be reached from elsewhere: give --tls-cert, "),
                (["--listen=9100"], 2, "--listen: 9100 is not an IP address and port"),
                (all + files.flags().dropLast(), 2, "--tls-client-ca is missing: "),
                (files.flags(), 2, "--tls-cert: there is no TLS without --listen"),
                (all + files.flags(cert: "none"), 1, "--tls-cert: cannot read \(files["none"]): "),
                (all + files.flags(cert: "text"), 1, "--tls-cert: \(files["text"]) holds no certificate"),
                (all + files.flags(key: "text"), 1, "--tls-key: \(files["text"]) holds no private key"),
                (all + files.flags(key: "locked.key"), 1, "--tls-key: \(files["locked.key"]) holds no private key"),
                (all + files.flags(key: "client.key"), 1, "--tls-key: \(files["client.key"]) is not the key of "),
                (all + files.flags(ca: "ca.key"), 1, "--tls-client-ca: \(files["ca.key"]) holds no certificate"),
                (["--listen=192.0.2.1:9100"] + files.flags(), 1, "--listen: cannot listen at 192.0.2.1:9100: "),
            ] {
                let finished = try await Program.run(on: network.balancer, ["--device=eth0"] + words)
                #expect(finished.status == status && finished.errorLines.count == 1, "\(words): \(finished)")
                #expect(finished.errors.hasPrefix("error: \(said)"), "\(finished.errors)")
            }
            #expect(try await network.balancer.xdpProgram() == nil)
        }
    }
}
