import Foundation

/// A clang that can compile for BPF.
public struct Clang: Sendable {
    public let path: String

    /// Looks in this order: the flag, `L4LB_CLANG`, the PATH, beside swift. Any clang from 14 on
    /// will do, the Swift toolchain's own too.
    public static func find(flag: String?, environment: [String: String]) throws(AgentError) -> Clang {
        for (given, source) in [(flag, "--clang"), (environment["L4LB_CLANG"], "L4LB_CLANG")] {
            guard let given else { continue }
            guard canCompileBPF(given) else {
                throw AgentError(
                    "\(source): \(given) is no clang that compiles for BPF: install Debian's clang, or give another one"
                )
            }
            return Clang(path: given)
        }
        let folders = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":").map(String.init)
        let names = ["clang"] + (14...30).reversed().map { "clang-\($0)" }
        var candidates = folders.flatMap { folder in names.map { "\(folder)/\($0)" } }
        for folder in folders where access("\(folder)/swift", X_OK) == 0 {
            let real = URL(fileURLWithPath: "\(folder)/swift").resolvingSymlinksInPath()
            candidates.append(real.deletingLastPathComponent().appendingPathComponent("clang").path)
        }
        guard let path = candidates.first(where: { access($0, X_OK) == 0 && canCompileBPF($0) }) else {
            throw AgentError(
                "no clang that compiles for BPF was found in PATH: install Debian's clang, or give one with --clang or L4LB_CLANG"
            )
        }
        return Clang(path: path)
    }

    private static func canCompileBPF(_ path: String) -> Bool {
        guard access(path, X_OK) == 0, let result = try? ChildProcess.run(path, ["-print-targets"], seconds: 10) else {
            return false
        }
        return result.status == 0 && result.output.split(separator: "\n").contains { $0.contains(" bpf ") }
    }

    /// Compiles one of the embedded programs; `macros` select its paths.
    public func compile(_ source: String, macros: [String]) throws(AgentError) -> [UInt8] {
        do {
            let folder = try SourceFolder()
            let output = folder.path + "/program.o"
            let arguments =
                [
                    "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-nostdinc", "-isystem",
                    folder.path + "/include",
                    // The Swift toolchain's clang moves unlikely code into functions that libbpf cannot load.
                    "-mllvm", "-hotcoldsplit-threshold=1000000",
                    // The same object from the same sources, and bpf/ alone in what the verifier says.
                    "-ffile-prefix-map=\(folder.path)/=", "-fdebug-compilation-dir=.",
                ] + macros.map { "-D\($0)" } + ["-c", "\(folder.path)/bpf/\(source)", "-o", output]
            // The folder goes with its last reference, which has to outlive clang.
            return try withExtendedLifetime(folder) {
                let result = try ChildProcess.run(path, arguments)
                guard result.status == 0, let object = FileManager.default.contents(atPath: output) else {
                    throw AgentError("\(path) cannot compile the packet program", details: result.output)
                }
                return [UInt8](object)
            }
        } catch let error as AgentError {
            throw error
        } catch {
            throw AgentError("cannot run \(path): \(error)")
        }
    }
}

/// The embedded sources in a fresh folder that only we can read; its end removes it.
private final class SourceFolder {
    let path: String

    init() throws {
        var template = Array((NSTemporaryDirectory() + "/l4lb-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else {
            throw AgentError("cannot make a folder in \(NSTemporaryDirectory()): \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for file in EmbeddedSources.files {
            let target = URL(fileURLWithPath: path + "/" + file.path)
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Self.write(file.bytes, to: target.path)
        }
    }

    /// Data's own way waits for the disk after each file, which takes longer than the compiler.
    private static func write(_ bytes: Data, to path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw AgentError("cannot write \(path): \(String(cString: strerror(errno)))") }
        try FileHandle(fileDescriptor: file, closeOnDealloc: true).write(contentsOf: bytes)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}
