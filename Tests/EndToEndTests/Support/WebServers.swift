import Foundation
import Testing

extension Network {
    static let fileSize = 3_000_000

    /// Starts an nginx that says which host it is. `/big` is a file, `/slow?rate=100k` the same slowly, `/take` answers
    /// when it has the whole of what was sent to it, and `/health` with 500 while the host is sick.
    func serve(_ host: Host, ports: [UInt16]) async throws {
        let own = "\(folder)/\(host.address)"
        try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
        let listen = ports.map { "listen \($0); listen [::]:\($0) ipv6only=on;" }.joined(separator: " ")
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "\($0)_temp_path \(own)/\($0);" }.joined(separator: " ")
        try """
        daemon off;
        master_process off;
        pid \(own)/nginx.pid;
        error_log \(own)/error.log;
        events { worker_connections 2048; }
        http {
            log_format address '$remote_addr';
            access_log \(own)/access.log address;
            \(temporary)
            client_max_body_size 0;
            keepalive_timeout 120s;
            keepalive_requests 100000;
            default_type text/plain;
            server {
                \(listen)
                location = / { return 200 "backend \(host.address)\\n"; }
                location = /health {
                    if (-f \(own)/sick) { return 500; }
                    return 204;
                }
                location = /big { alias \(folder)/big; }
                location = /slow { alias \(folder)/big; limit_rate $arg_rate; }
                location = /take {
                    client_max_body_size 10m;
                    proxy_method GET;
                    proxy_pass_request_body off;
                    proxy_set_header Content-Length "";
                    proxy_pass http://\(host.address):\(ports[0])/;
                }
            }
        }
        """.write(toFile: "\(own)/nginx.conf", atomically: false, encoding: .utf8)
        try await host.shell(
            "setsid --fork nginx -p \(own) -e \(own)/error.log -c \(own)/nginx.conf </dev/null >\(own)/start.log 2>&1")
    }

    /// Has a backend's `/health` answer with 500, or no more.
    func makeSick(_ host: Host, _ isSick: Bool = true) throws {
        let file = "\(folder)/\(host.address)/sick"
        if isSick {
            try Data().write(to: URL(fileURLWithPath: file))
        } else {
            try FileManager.default.removeItem(atPath: file)
        }
    }

    /// Ends a backend's nginx as a crash does.
    func stopServing(_ host: Host) async throws {
        let file = "\(folder)/\(host.address)/nginx.pid"
        let pid = try #require(
            Int32(try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)))
        kill(pid, SIGKILL)
        try await eventually("nginx on \(host.address) is gone") { kill(pid, 0) != 0 }
    }

    /// The addresses that asked a backend while `body` ran.
    func clientsSeen(by hosts: [Host], _ body: () async throws -> Void) async throws -> Set<String> {
        let files = hosts.map { "\(folder)/\($0.address)/access.log" }
        let before = try await contents(of: files)
        try await body()
        return try await zip(contents(of: files), before).reduce(into: []) { seen, log in
            seen.formUnion(log.0.dropFirst(log.1.count).split(separator: "\n").map(String.init))
        }
    }

    /// A request's line is written after its answer has been sent: files are read when they have come to rest.
    private func contents(of files: [String]) async throws -> [String] {
        let read = { try files.map { try String(contentsOfFile: $0, encoding: .utf8) } }
        var last = try read()
        while true {
            try await Task.sleep(for: .milliseconds(50))
            let now = try read()
            if now == last { return now }
            last = now
        }
    }

    /// Begins a download by curl in the background; it takes about `fileSize / rate` seconds.
    func download(_ path: String = "/big", _ name: String = "got") throws -> Download {
        try Download(network: self, path: path, file: "\(folder)/\(name)")
    }
}

/// A download of the large file that goes on beside the test.
struct Download {
    let network: Network
    let file: String
    private let child: Child

    fileprivate init(network: Network, path: String, file: String) throws {
        self.network = network
        self.file = file
        child = try Child(
            network.client.command([
                "curl", "-fsS", "--max-time", "60", "--limit-rate", "5M", "-o", file,
                "http://\(network.frontend)\(path)",
            ]))
    }

    var isRunning: Bool { child.isRunning }

    /// Waits for its end: whether each byte has come.
    func arrives() async throws -> Bool {
        let status = try await child.end(within: .seconds(60))
        defer { unlink(file) }
        return status == 0 && FileManager.default.contentsEqual(atPath: file, andPath: "\(network.folder)/big")
    }
}

/// demo/decap.bpf.c: what a DSR backend needs where the kernel has no ipip device.
enum DecapProgram {
    static func compile(to output: String) async throws {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../demo/decap.bpf.c").standardizedFileURL.path
        try await shell(
            """
            header=$(ls -d /usr/include/*-linux-gnu/asm/types.h | head -n 1)
            \(try await clang()) -O2 -g -target bpf -mcpu=v3 -I"${header%/asm/types.h}" -c \(source) -o \(output)
            """)
    }

    /// A clang that compiles for BPF: the one asked for, one of PATH, or Swift's own.
    static func clang() async throws -> String {
        try await shell(
            """
            swift=$(readlink -f "$(command -v swift || echo /)")
            for name in ${L4LB_CLANG:-} clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 "$(dirname "$swift")/clang"; do
                if "$name" -print-targets 2>/dev/null | grep '^ *bpf ' >/dev/null; then echo "$name"; exit; fi
            done
            echo 'no clang that compiles for BPF: set L4LB_CLANG' >&2
            exit 1
            """
        ).trimmingCharacters(in: .newlines)
    }
}
