import Foundation
import Testing

extension EndToEnd {
    @Suite("Changing the mode", .network(.oneLink))
    struct ModeUpdate {
        @Test("Ten changes under load lose no byte and no request") func underLoad() async throws {
            let network = try Network.current
            try await withAgent("--flow-table-size=65536") { prompt in
                let held = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                let page = try held.page()
                let downloads = try (1...4).map { try network.download("/slow?rate=500k", "slow\($0)") }
                try await eventually("the downloads run") {
                    try await prompt.dump().connections.filter { $0.state == "established" && $0.packets > 3 }.count
                        == 5
                }
                let old = Set(try await prompt.dump().connections.map(\.client))
                let stream = RequestStream(network)
                var heldInDSR: ClientSocket?
                for change in 1...10 {
                    let mode = change % 2 == 1 ? "dsr" : "snat"
                    try await prompt.done("mode update \(mode)")
                    let count = stream.count
                    try await eventually("requests go on in \(mode)") { stream.count >= count + 30 }
                    #expect(try held.page() == page, "the connection that was there before")
                    if change == 1 {
                        heldInDSR = try ClientSocket(SOCK_STREAM, from: network.client, to: network.frontend, 80)
                    }
                    #expect(try heldInDSR?.page().hasPrefix("backend ") == true)
                }
                let connections = try await prompt.dump().connections
                #expect(connections.filter { old.contains($0.client) }.allSatisfy { $0.mode == "snat" })
                #expect(connections.first { $0.client == heldInDSR?.name }?.mode == "dsr")
                #expect(connections.first { $0.client == held.name }?.mode == "snat")
                #expect(Set(connections.map(\.mode)) == ["snat", "dsr"])
                #expect(stream.stop() == [], "of \(stream.count) requests")
                for download in downloads { #expect(try await download.arrives()) }
                #expect(try await prompt.status().paths.count == 2)
                heldInDSR = nil
                try await eventually(
                    "the program has left the old path", within: .seconds(20), every: .milliseconds(200)
                ) {
                    try await prompt.status().paths == ["snat"]
                }
                #expect(try held.page() == page)
            }
        }

        @Test("A change to the mode that is there already changes nothing") func same() async throws {
            try await withAgent("--bpf-lb-mode=dsr") { prompt in
                let before = try await prompt.status().programId
                #expect(try await prompt.done("mode update dsr") == "mode is dsr already")
                #expect(try await prompt.done("mode get") == "dsr")
                #expect(try await prompt.status().programId == before)
            }
        }

        @Test("Where the compiler is gone, the old program goes on and the user reads why") func noCompiler()
            async throws
        {
            let network = try Network.current
            let wrapper = try await wrappedClang(first: "")
            defer { unlink(wrapper) }
            try await withAgent("--clang=\(wrapper)") { prompt in
                let before = try await prompt.status()
                unlink(wrapper)
                #expect(try await prompt.run("mode update dsr").hasPrefix("error: "))
                // A service that needs another program is refused as a whole, whether new or replaced.
                for update in [
                    "--frontend=[\(network.frontend6)]:80 --backends=[\(network.backends[0].address6)]:80",
                    "--frontend=\(network.frontend):80 --backends=\(network.webServers) --mode=dsr",
                ] {
                    #expect(try await prompt.run("service update \(update)").hasPrefix("error: "))
                }
                let services = try await prompt.read(ServiceList.self, "service list").services
                #expect(services.map(\.frontend) == ["\(network.frontend):80/tcp"])
                #expect(services.map(\.ownMode) == [nil])
                #expect(try await prompt.done("mode get") == "snat")
                #expect(try await prompt.status().programId == before.programId)
                #expect(try network.client.fetch(network.frontend).hasPrefix("backend "))
            }
        }

        @Test(
            "An agent that is ended while it compiles leaves neither folder nor compiler", arguments: [SIGTERM, SIGINT])
        func endedWhileCompiling(number: Int32) async throws {
            let network = try Network.current
            let folder = "\(network.folder)/tmp"
            try await shell("mkdir \(folder)")
            let wrapper = try await wrappedClang(first: "[ \"$1\" = -print-targets ] || sleep 1")
            defer { unlink(wrapper) }
            let prompt = try await Prompt(
                on: network.balancer, ["--device=eth0", "--clang=\(wrapper)"], environment: ["TMPDIR": folder])
            try await prompt.done("mode update dsr")
            // With no connection of the old mode the program leaves its path within a second.
            try await eventually("it compiles") { try await shell("ls \(folder)").isEmpty == false }
            prompt.signal(number)
            #expect(try await prompt.end() == 0)
            #expect(try await shell("ls \(folder)") == "")
            #expect(try await network.balancer.processes() == [])
            #expect(try await network.balancer.xdpProgram() == nil)
            try await shell("rm -rf \(folder)")
        }

        /// A clang that does something else before.
        private func wrappedClang(first: String) async throws -> String {
            let path = "\(try Network.current.folder)/wrapped-clang"
            let clang = try await DecapProgram.clang()
            try "#!/bin/sh\n\(first)\nexec \(clang) \"$@\"\n".write(toFile: path, atomically: false, encoding: .utf8)
            chmod(path, 0o755)
            return path
        }
    }
}
