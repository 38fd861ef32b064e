import BPF
import Balancer
import Foundation

/// Where the packet path outlives the agent: its maps and links have names below `<bpf-root>/l4lb`, and one agent at
/// a time holds the lock on that directory.
final class Pins {
    let root: String
    private let directory: FileDescriptor

    private var mapsPath: String { root + "/maps" }
    private var linksPath: String { root + "/links" }

    init(bpfRoot: String) throws(AgentError) {
        root = bpfRoot + "/l4lb"
        guard mkdir(root, 0o700) == 0 || errno == EEXIST else {
            throw AgentError("--bpf-root: cannot make \(root): \(String(cString: strerror(errno)))")
        }
        let raw = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else {
            throw AgentError("--bpf-root: cannot open \(root): \(String(cString: strerror(errno)))")
        }
        directory = FileDescriptor(owning: raw)
        guard flock(raw, LOCK_EX | LOCK_NB) == 0 else {
            let pid = Self.holder(of: raw).map { " (pid \($0))" } ?? ""
            throw AgentError(
                "an agent\(pid) works at \(root) already: stop that one first, or give this one another --bpf-root")
        }
    }

    static func areLinks(bpfRoot: String) -> Bool {
        !((try? FileManager.default.contentsOfDirectory(atPath: bpfRoot + "/l4lb/links")) ?? []).isEmpty
    }

    /// The process that has locked a file, as the kernel lists it.
    private static func holder(of file: Int32) -> Int? {
        var status = stat()
        guard fstat(file, &status) == 0 else { return nil }
        let text = (try? String(contentsOfFile: "/proc/locks", encoding: .utf8)) ?? ""
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 6, fields[1] == "FLOCK", fields[5].hasSuffix(":\(status.st_ino)") else { continue }
            return Int(fields[4])
        }
        return nil
    }

    // MARK: Names

    /// A device's name may hold dots, which a bpf filesystem does not take.
    private func linkPath(_ device: String) -> String {
        linksPath + "/" + device.replacingOccurrences(of: ".", with: "%2e")
    }

    private func names(in path: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    /// The devices that have a link, whether they still exist or not.
    var devices: [String] { names(in: linksPath).map { $0.replacingOccurrences(of: "%2e", with: ".") } }

    func link(of device: String, acceleration: XDPLink.Acceleration) throws(BPFError) -> XDPLink {
        try XDPLink(pinned: linkPath(device), acceleration: acceleration)
    }

    func maps() throws(BPFError) -> [String: BPFMap] {
        var maps: [String: BPFMap] = [:]
        for name in names(in: mapsPath) { maps[name] = try BPFMap(pinned: mapsPath + "/" + name) }
        return maps
    }

    func keep(_ maps: [BPFMap]) throws {
        try make(mapsPath)
        let there = Set(names(in: mapsPath))
        for map in maps where !there.contains(map.name) { try map.pin(mapsPath + "/" + map.name) }
    }

    func keep(_ link: XDPLink, of device: String) throws {
        try make(linksPath)
        try link.pin(linkPath(device))
    }

    private func make(_ path: String) throws(AgentError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw AgentError("--bpf-root: cannot make \(path): \(String(cString: strerror(errno)))")
        }
    }

    func remove(link device: String) {
        unlink(linkPath(device))
    }

    /// Takes the programs off their devices first, then the maps away.
    func clear() {
        for device in devices { remove(link: device) }
        for name in names(in: mapsPath) { unlink(mapsPath + "/" + name) }
        for path in [linksPath, mapsPath] { rmdir(path) }
    }

    /// Leaves nothing, also not the directory that the lock is on.
    func removeAll() {
        clear()
        rmdir(root)
    }
}
