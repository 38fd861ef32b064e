import Foundation
import Testing

extension EndToEnd {
    @Suite("What keeps the agent from starting", .network(.oneLink, backends: 1))
    struct Starts {
        @Test("A failure is one clear line and exit code 1") func failures() async throws {
            let network = try Network.current
            let host = network.balancer
            try await host.shell("ip link add down9 type veth peer name peer9")
            try await fails(["--device=eth7"], names: "eth7")
            try await fails(["--device=down9"], names: "down9", "down")
            try await fails(["--device=eth0", "--bpf-root=\(network.folder)"], names: "--bpf-root", network.folder)
            try await fails(["--device=eth0", "--bpf-root=/nonexistent"], names: "--bpf-root", "/nonexistent")
            try await fails(["--device=eth0", "--clang=/bin/true"], names: "--clang", "/bin/true")
            try await fails(["--device=eth0", "--clang=/nonexistent"], names: "--clang", "/nonexistent")
            try await fails(
                ["--device=eth0"], names: "clang", environment: ["PATH": "/nonexistent", "L4LB_CLANG": nil])
            try await fails(["--device=eth0", "--snat-port-range=20000-20100"], names: "101 ports")
            try await host.shell("ip link delete down9")
        }

        @Test(
            "Wrong usage is one clear line and exit code 2",
            arguments: [
                (["--bpf-lb-mode=both", "--device=eth0"], "--bpf-lb-mode"), ([], "--device"),
                (["--device="], "--device"),
                (["--device=eth0,eth0"], "--device"),
                (["--device=eth0", "--bpf-lb-acceleration=fast"], "--bpf-lb-acceleration"),
                (["--device=eth0", "--flow-table-size=0"], "--flow-table-size"),
                (["--device=eth0", "--bogus"], "--bogus"),
                (["--device=eth0", "--bpf-lb-maglev-table-size=100"], "--bpf-lb-maglev-table-size"),
                (["--device=eth0", "--bpf-lb-map-max=0"], "--bpf-lb-map-max"),
                (["--device=eth0", "--snat-port-range=9-1"], "--snat-port-range"),
                (["--device=eth0", "surplus"], "surplus"),
            ])
        func usage(arguments: [String], named: String) async throws {
            let finished = try await Program.run(on: try Network.current.balancer, arguments)
            #expect(finished.status == 2)
            #expect(finished.errorLines.count == 1 && finished.errors.hasPrefix("error: "), "\(finished.errors)")
            #expect(finished.errors.contains(named), "\(finished.errors)")
        }

        @Test("Without root it says so") func noRoot() async throws {
            let host = try Network.current.balancer
            // The test's own folder may be root's only.
            let copy = "\(try Network.current.folder)/l4lb"
            try await shell("cp \(Program.path) \(copy) && chmod 0755 \(copy)")
            let finished = try await run(
                host.command(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "--device=eth0"]))
            #expect(finished.status == 1)
            #expect(finished.errorLines.count == 1 && finished.errors.contains("root"), "\(finished.errors)")
        }

        @Test("A device that another XDP program holds is left to it, and the program is named") func held()
            async throws
        {
            let network = try Network.current
            let host = network.balancer
            try await shell(network.attachXDP("pass", to: "eth0", in: host.namespace))
            let holder = try await host.xdpProgram()
            let id = holder?.firstMatch(of: /id (\d+)/)?.1 ?? "?"
            for acceleration in ["native", "generic", "best-effort"] {
                try await fails(
                    ["--device=eth0", "--bpf-lb-acceleration=\(acceleration)"], names: "eth0", "xdp_pass", "id \(id)")
            }
            #expect(try await host.xdpProgram() == holder)
            try await host.shell("ip link set dev eth0 xdp off")
            try await withAgent { _ in
                // A second agent is such a program too.
                try await fails(["--device=eth0"], names: "eth0", "l4lb")
            }
        }

        @Test("A device that cannot do native XDP is told apart, and generic works there") func generic() async throws {
            let network = try Network.current
            let host = network.balancer
            try await host.shell("ip link add br9 type bridge; ip address add 10.98.0.1/24 dev br9; ip link set br9 up")
            try await fails(["--device=br9"], names: "br9", "native", "generic")
            for acceleration in ["generic", "best-effort"] {
                let finished = try await Program.run(
                    on: host, ["--device=br9", "--bpf-lb-acceleration=\(acceleration)"], lines: "status -o json\n")
                #expect(finished.status == 0, "\(finished.errors)")
                #expect(finished.output.contains(#""xdp_mode" : "generic""#))
            }
            try await host.shell("ip link delete br9")
        }

        @Test("Generic XDP balances as well", arguments: ["snat", "dsr"]) func genericTraffic(mode: String) async throws
        {
            let network = try Network.current
            try await withAgent("--bpf-lb-mode=\(mode)", "--bpf-lb-acceleration=generic") { prompt in
                let page = try network.client.fetch(network.frontend)
                #expect(network.pages == [page])
                #expect(try await network.download().arrives())
                #expect(try await prompt.status().connections >= 1)
            }
        }

        @Test("A host without its loopback will do") func noLoopback() async throws {
            let host = try Network.current.balancer
            try await host.shell("ip link set lo down")
            let finished = try? await run(
                host.command(Program.words(["--device=eth0"])), input: "mode get\n",
                environment: ["TMPDIR": try Network.current.folder], within: .seconds(10))
            try await host.shell("ip link set lo up")
            #expect(finished?.status == 0 && finished?.output == "snat\n", "\(finished?.errors ?? "it hangs")")
        }

        @Test("The kernel takes the program in every configuration", arguments: [251, 131_071])
        func everyConfiguration(size: Int) async throws {
            let host = try Network.current.balancer
            // SNAT alone, then both paths; DSR alone.
            for (mode, lines) in [("snat", "mode update dsr\nstatus -o json\n"), ("dsr", "status -o json\n")] {
                let finished = try await Program.run(
                    on: host, ["--device=eth0", "--bpf-lb-mode=\(mode)", "--bpf-lb-maglev-table-size=\(size)"],
                    lines: lines)
                #expect(finished.status == 0, "\(finished.errors)")
                #expect(finished.output.contains("\"dsr\""))
            }
        }

        @Test("A bpf filesystem elsewhere will do") func otherRoot() async throws {
            let network = try Network.current
            let root = "\(network.folder)/bpffs"
            try await shell("mkdir \(root) && mount -t bpf bpf \(root)")
            let finished = try await Program.run(
                on: network.balancer, ["--device=eth0", "--bpf-root=\(root)"], lines: "mode get\n")
            // The two are the kernel's own.
            let left = try await shell("ls \(root) | grep -vx -e maps.debug -e progs.debug || true; umount \(root)")
            #expect(finished.status == 0 && finished.output == "snat\n" && left.isEmpty, "\(finished.errors)")
        }

        @Test("--help and version need neither root nor a device") func help() async throws {
            let host = try Network.current.client
            let help = try await run(host.command([Program.path, "--help"]))
            #expect(help.status == 0 && help.output.contains("l4lb") && help.errors.isEmpty)
            let version = try await run(host.command([Program.path, "version"]))
            #expect(version.status == 0 && version.output.hasPrefix("l4lb "))
        }

        private func fails(_ arguments: [String], names: String..., environment: [String: String?] = [:]) async throws {
            let host = try Network.current.balancer
            // env itself is found with the PATH of the test.
            let unset = environment.filter { $0.value == nil }.flatMap { ["-u", $0.key] }
            let set = environment.compactMap { name, value in value.map { "\(name)=\($0)" } }
            let finished = try await run(host.command(["env"] + unset + set + Program.words(arguments)))
            #expect(finished.status == 1, "\(arguments)")
            #expect(finished.errorLines.count == 1 && finished.errors.hasPrefix("error: "), "\(finished.errors)")
            for name in names { #expect(finished.errors.contains(name), "\(arguments): \(finished.errors)") }
        }
    }
}
