import Balancer
import Foundation

/// What the host has to offer before anything is begun.
enum Privileges {
    static func check() throws(AgentError) {
        guard geteuid() == 0 else {
            throw AgentError("loading XDP programs needs root: run it with sudo")
        }
    }
}

/// The kernel's settings that SNAT has to respect.
enum Sysctl {
    /// A range that the user gives is taken as it is.
    static func snatPorts(allowed: ClosedRange<UInt16>?) throws(BalancerError) -> SNATPorts {
        if let allowed { return try SNATPorts(allowed: allowed, ephemeral: nil, reserved: []) }
        let ephemeral = read("net/ipv4/ip_local_port_range").split(whereSeparator: \.isWhitespace)
        let reserved = read("net/ipv4/ip_local_reserved_ports")
        return try SNATPorts(
            ephemeral: SNATPorts.ranges(ephemeral.joined(separator: "-")).first, reserved: SNATPorts.ranges(reserved))
    }

    /// A setting that is a number; nil where there is none of that name.
    static func number(_ name: String) -> Int? {
        Int(read(name).trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private static func read(_ name: String) -> String {
        (try? String(contentsOfFile: "/proc/sys/\(name)", encoding: .utf8)) ?? ""
    }
}

/// The bpf filesystem at `--bpf-root`. Where the usual place has none, as in a fresh mount
/// namespace, one is mounted; its end takes that away again.
final class BPFMount {
    private let path: String
    private var isOurs: Bool

    init(_ path: String) throws(AgentError) {
        self.path = path
        if Self.isBPF(path) {
            isOurs = false
            return
        }
        guard path == AgentOptions.defaultBPFRoot else {
            throw AgentError("--bpf-root: \(path) is not a bpf filesystem: mount -t bpf bpf \(path)")
        }
        guard mount("bpf", path, "bpf", 0, nil) == 0 else {
            throw AgentError(
                "--bpf-root: no bpf filesystem at \(path), and it cannot be mounted (\(String(cString: strerror(errno)))): mount -t bpf bpf \(path)"
            )
        }
        isOurs = true
    }

    /// What is pinned there stays.
    func keep() { isOurs = false }

    deinit {
        if isOurs { umount2(path, Int32(MNT_DETACH)) }
    }

    static func isBPF(_ path: String) -> Bool {
        guard let real = realpath(path, nil) else { return false }
        defer { free(real) }
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        return MountTable(mounts).type(at: String(cString: real)) == "bpf"
    }
}

/// `/proc/self/mounts`: a line for each mount, later ones over earlier ones.
struct MountTable {
    private let mounts: [(path: String, type: String)]

    init(_ text: String) {
        mounts = text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            return fields.count >= 3 ? (String(fields[1]), String(fields[2])) : nil
        }
    }

    /// The type of the filesystem that a path lies in.
    func type(at path: String) -> String? {
        let above = mounts.filter { $0.path == "/" || path == $0.path || path.hasPrefix($0.path + "/") }
        let longest = above.map(\.path.count).max()
        return above.last { $0.path.count == longest }?.type
    }
}
