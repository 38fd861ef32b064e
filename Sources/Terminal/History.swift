#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The lines that were entered, oldest first.
struct History: Equatable {
    static let limit = 1000

    private(set) var lines: [String] = []

    init(_ lines: some Sequence<String> = []) {
        for line in lines { add(line) }
    }

    /// A line that begins with a blank is not kept, nor one that repeats its
    /// predecessor. Says whether it was kept.
    @discardableResult
    mutating func add(_ line: String) -> Bool {
        guard let first = line.first, !first.isWhitespace, line != lines.last else { return false }
        lines.append(line)
        if lines.count > Self.limit { lines.removeFirst(lines.count - Self.limit) }
        return true
    }
}

/// Where the history is kept: under `$XDG_STATE_HOME`, by default
/// `~/.local/state`. Relative folders are ignored, as the XDG base directory
/// specification has it. `nil` when there is no home either.
public func historyPath(environment: [String: String]) -> String? {
    func folder(_ name: String) -> String? {
        environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil }
    }
    guard let state = folder("XDG_STATE_HOME") ?? folder("HOME").map({ $0 + "/.local/state" }) else { return nil }
    return state + "/l4lb/history"
}

/// A history in a file, one line each. That the file cannot be read or written
/// is no reason to refuse a prompt: the history then lasts as long as the process.
struct HistoryFile {
    let path: String?
    private(set) var history: History
    private var linesInFile: Int

    init(path: String?) {
        self.path = path
        let text = path.flatMap(contents(of:)) ?? ""
        let lines = text.split(separator: "\n").map(String.init)
        history = History(lines)
        linesInFile = lines.count
    }

    mutating func add(_ line: String) -> Bool {
        guard history.add(line) else { return false }
        guard let path else { return true }
        if linesInFile < History.limit {
            // Appending lets two agents share the file.
            linesInFile += 1
            put(line + "\n", in: path, flags: O_APPEND)
        } else {
            linesInFile = history.lines.count
            let fresh = "\(path).\(getpid())"
            if put(history.lines.map { $0 + "\n" }.joined(), in: fresh, flags: O_TRUNC) {
                _ = unsafe rename(fresh, path)
            }
        }
        return true
    }
}

private func contents(of path: String) -> String? {
    let fd = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(fd, $0.baseAddress, $0.count) }
        guard count > 0 else { break }
        bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
}

@discardableResult
private func put(_ text: String, in path: String, flags: Int32) -> Bool {
    makeFolders(above: path)
    let fd = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, 0o600)
    guard fd >= 0 else { return false }
    defer { close(fd) }
    return writeAll(Array(text.utf8), to: fd)
}

private func makeFolders(above path: String) {
    var folder = ""
    for part in path.split(separator: "/").dropLast() {
        folder += "/" + part
        _ = unsafe mkdir(folder, 0o700)
    }
}
