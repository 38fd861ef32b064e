import Balancer
import Foundation

/// The file of the agent's socket: who may use it, and who has it.
public struct SocketFile: Sendable {
    public static let defaultPath = "/run/l4lb/l4lb.sock"
    /// Its members may use the socket, where it exists.
    static let group = "l4lb"
    /// Bytes of a path at the most: sun_path holds 108, of which the name that it is bound under takes some more.
    static let pathLimit = 80

    public let path: String
    private var folder: String { URL(fileURLWithPath: path).deletingLastPathComponent().path }

    public init(_ path: String) throws(APIError) {
        guard !path.isEmpty, path.utf8.count <= Self.pathLimit, !path.utf8.contains(0) else {
            throw APIError(.invalid, "--socket: \(quoted(path)) is not a path of 1 to \(Self.pathLimit) bytes")
        }
        self.path = path
    }

    /// Why nobody can be reached there; nil where somebody answers.
    enum Silence: Equatable {
        case nobody
        case notAllowed
        case other(Int32)
    }

    func silence() -> (why: Silence?, owner: pid_t?) {
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let descriptor = socket(AF_UNIX, Int32(kind), 0)
        guard descriptor >= 0 else { return (.other(errno), nil) }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            switch errno {
            // It has as many connections as it takes: it lives.
            case EAGAIN: return (nil, nil)
            case ENOENT, ECONNREFUSED, ENOTDIR: return (.nobody, nil)
            case EACCES, EPERM: return (.notAllowed, nil)
            default: return (.other(errno), nil)
            }
        }
        // struct ucred: pid, uid, gid.
        var peer: [UInt32] = [0, 0, 0]
        var size = socklen_t(peer.count * MemoryLayout<UInt32>.size)
        let isKnown = getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0
        return (nil, isKnown ? pid_t(peer[0]) : nil)
    }

    // MARK: The agent's side

    /// Makes the folder where it is missing, and refuses a path that is somebody's.
    public func prepare() throws(APIError) {
        let status = mkdir(folder, 0o755)
        guard status == 0 || errno == EEXIST else { throw fault("cannot make \(folder)") }
        try refuseOwned()
    }

    private func refuseOwned() throws(APIError) {
        var information = stat()
        guard lstat(path, &information) == 0 else { return }
        guard information.st_mode & S_IFMT == S_IFSOCK else {
            throw APIError(.conflict, "--socket: \(path) is there and is no socket: remove it, or give another path")
        }
        let (why, owner) = silence()
        switch why {
        case nil:
            let name = owner.map { "process \($0)" } ?? "another process"
            throw APIError(.conflict, "--socket: \(name) answers at \(path): end it, or give another path")
        case .nobody: break
        case .notAllowed, .other: throw fault("cannot tell whose \(path) is")
        }
    }

    /// A folder beside it, which only its owner can enter: a socket is bound there and becomes the file when it has its
    /// group and mode, so that nobody else ever meets it with another.
    func makeNursery() throws(APIError) -> String {
        var template = Array("\(folder)/.l4lb-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw fault("cannot make a socket in \(folder)") }
        return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Puts a bound socket in the file's place; one that a dead agent has left is replaced.
    func publish(_ bound: String) throws(APIError) {
        if let group = Self.groupNumber(), chown(bound, uid_t.max, group) != 0 {
            throw fault("cannot give \(path) its group")
        }
        guard chmod(bound, 0o660) == 0 else { throw fault("cannot set the mode of \(path)") }
        // Of two agents that start at the same time, the second sees the first.
        let lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(lock) }
        guard flock(lock, LOCK_EX) == 0 else { throw fault("cannot lock \(folder)") }
        try refuseOwned()
        guard rename(bound, path) == 0 else { throw fault("cannot make \(path)") }
    }

    func remove(ifStill inode: ino_t?) {
        if let inode, self.inode() == inode { unlink(path) }
    }

    func inode() -> ino_t? {
        var information = stat()
        return lstat(path, &information) == 0 ? information.st_ino : nil
    }

    private static func groupNumber() -> gid_t? {
        var entry = GroupEntry()
        var found: UnsafeMutablePointer<GroupEntry>?
        var space = [CChar](repeating: 0, count: 65536)
        let status = getgrnam_r(group, &entry, &space, space.count, &found)
        return status == 0 && found != nil ? entry.gr_gid : nil
    }

    private func fault(_ text: String) -> APIError {
        APIError(.failed, "--socket: \(text): \(String(cString: strerror(errno)))")
    }
}

// The name of a type here, of a property above.
private typealias GroupEntry = Glibc.group
