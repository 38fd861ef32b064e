import Foundation
import Testing

extension EndToEnd {
    /// Standard input that is no terminal.
    @Suite("Scripts", .network(.oneLink, backends: 1))
    struct Scripts {
        private let update = "service update --frontend=198.51.100.7:80 --backends=10.71.0.10:80"

        @Test("Lines run one by one, without a prompt, and the end of the input is success") func lines() async throws {
            let finished = try await script("\(update) --id=7\n\n# a comment\nservice list -o json\nmode get")
            #expect(finished.status == 0)
            #expect(finished.output.hasPrefix("created service 7: 198.51.100.7:80/tcp with 1 backend\n{"))
            #expect(finished.output.hasSuffix("}\nsnat\n"))
            #expect(!finished.output.contains("l4lb> ") && !finished.errors.contains("l4lb> "))
            #expect(!finished.output.contains("\u{1B}"))
            #expect(try await script("").status == 0)
        }

        @Test(
            "The first line that fails ends it with that command's exit code",
            arguments: [
                ("service get --id 99", 1), ("service delete --id=99", 1), ("service get --id 0", 2),
                ("service update --frontend=1.2.3.4:80 --backends=300.2.3.4:80", 2), ("mode update both", 2),
                ("nonsense", 2), ("service", 2), ("service list --bogus", 2), ("service get --id 1 -o xml", 2),
                ("service update --backends=1.2.3.4:80", 2), ("mode get 'open", 2),
            ])
        func failure(line: String, code: Int32) async throws {
            let finished = try await script("mode get\n\(line)\nversion\n")
            #expect(finished.status == code)
            #expect(finished.output == "snat\n", "nothing runs after it")
            #expect(finished.errorLines.count == 1 && finished.errors.hasPrefix("error: "), "\(finished.errors)")
        }

        @Test("Errors are one JSON object where JSON is asked for") func jsonError() async throws {
            let finished = try await script("service get --id 99 -o json\n")
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let failure = try decoder.decode(JSONFailure.self, from: Data(finished.output.utf8))
            #expect(finished.status == 1 && failure.error.exitCode == 1)
            #expect(failure.error.message.contains("99"))
        }

        @Test("exit and quit end it, whatever follows", arguments: ["exit", "quit"]) func exit(word: String)
            async throws
        {
            let finished = try await script("mode get\n\(word)\nnonsense\n")
            #expect(finished.status == 0 && finished.output == "snat\n" && finished.errors.isEmpty)
        }

        @Test("Options are accepted as --id 1 and as --id=1") func options() async throws {
            let finished = try await script(
                """
                service update --frontend 198.51.100.7:80 --backends 10.71.0.10:80 --id 3
                service get --id 3 -o json
                service delete --id=3
                service delete --all
                """)
            #expect(finished.status == 0, "\(finished.errors)")
            #expect(finished.output.hasSuffix("deleted service 3: 198.51.100.7:80/tcp\ndeleted 0 services\n"))
        }

        @Test("Help names the commands and their options") func help() async throws {
            let finished = try await script("help\nhelp service update\nhelp mode\n")
            #expect(finished.status == 0, "\(finished.errors)")
            for word in [
                "service", "mode", "neighbor", "status", "version", "--frontend", "--backend-weights", "update",
            ] {
                #expect(finished.output.contains(word), "\(word)")
            }
        }

        @Test("SIGTERM ends an agent that waits for lines with 0", arguments: [SIGTERM, SIGINT]) func signals(
            number: Int32
        ) async throws {
            let host = try Network.current.balancer
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            defer { close(ends[1]) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let agent = try Child(host.command(Program.words(["--device=eth0"])), input: .descriptor(ends[0]))
            close(ends[0])
            try await eventually("the program is attached") { try await host.xdpProgram() != nil }
            // It is attached a moment before it reads.
            try await Task.sleep(for: .milliseconds(300))
            agent.signal(number)
            #expect(try await agent.end(within: .seconds(5)) == 0)
            #expect(try await host.xdpProgram() == nil)
        }

        private func script(_ lines: String) async throws -> Finished {
            let host = try Network.current.balancer
            // Other programs have theirs elsewhere.
            let temporary = FileManager.default.temporaryDirectory.appendingPathComponent("script-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(at: temporary) }
            let before = try await leftovers()
            let finished = try await Program.run(on: host, lines: lines, environment: ["TMPDIR": temporary.path])
            #expect(try await host.xdpProgram() == nil)
            #expect(try await host.processes() == [])
            #expect(try await leftovers() == before)
            #expect(try FileManager.default.contentsOfDirectory(atPath: temporary.path) == [])
            return finished
        }

        /// What might be left: pins, and the mount that they lie in.
        private func leftovers() async throws -> String {
            try await shell(
                "ls -d /sys/fs/bpf/*l4lb* 2>/dev/null || true; grep -c ' /sys/fs/bpf bpf ' /proc/self/mounts || true")
        }
    }
}
