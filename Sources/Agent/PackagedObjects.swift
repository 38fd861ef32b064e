import Balancer
import Foundation

/// Programs that were compiled when the package was made, for hosts that have no clang: a folder of objects, and a
/// manifest that says of which sources they are.
public struct PackagedObjects: Sendable {
    private struct Manifest: Codable {
        struct Entry: Codable {
            var program: ProgramSource
            var name: String
            var checksum: String
        }
        /// Of the sources that they were compiled from.
        var sources: String
        var objects: [Entry]
    }

    let folder: String
    private let entries: [ProgramSource: Manifest.Entry]

    private static let manifestName = "manifest.json"
    /// Bytes of a file that are read; the largest object has a tenth of that.
    private static let sizeLimit = 8 << 20

    /// Where the package of this binary has them: ../lib/l4lb/objects beside its own folder.
    static var defaultFolder: String {
        let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let prefix = binary.deletingLastPathComponent().deletingLastPathComponent()
        return prefix.appendingPathComponent("lib/l4lb/objects").path
    }

    /// Nil where there are none. Those of other sources than this binary's are refused.
    init?(folder: String = defaultFolder) throws(AgentError) {
        let path = "\(folder)/\(Self.manifestName)"
        guard access(path, F_OK) == 0 else { return nil }
        guard let manifest = try? JSONDecoder().decode(Manifest.self, from: Self.read(path)) else {
            throw AgentError("\(path) is damaged: install the package again, or Debian's clang")
        }
        guard manifest.sources == EmbeddedSources.checksum else {
            throw AgentError(
                "the programs in \(folder) are of another version than this l4lb: install the package that it is of, or Debian's clang"
            )
        }
        self.folder = folder
        entries = Dictionary(manifest.objects.map { ($0.program, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func object(_ program: ProgramSource) throws(AgentError) -> [UInt8] {
        guard let entry = entries[program] else {
            let sizes = Set(entries.keys.compactMap(\.maglevSize))
            if let size = program.maglevSize, !sizes.contains(size) {
                let known = sizes.sorted().map(String.init).joined(separator: ", ")
                throw AgentError(
                    "--bpf-lb-maglev-table-size: the packaged programs have \(known), not \(size), and there is no clang to compile others: install Debian's clang, or give \(known)"
                )
            }
            throw AgentError(
                "\(folder) has no \(program.file) of this kind: install the package again, or Debian's clang")
        }
        let path = "\(folder)/\(entry.name)"
        guard !entry.name.contains("/"), let bytes = try? Self.read(path), Checksum(bytes).text == entry.checksum else {
            throw AgentError("\(path) is missing or damaged: install the package again, or Debian's clang")
        }
        return [UInt8](bytes)
    }

    private static func read(_ path: String) throws -> Data {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        return try file.read(upToCount: sizeLimit) ?? Data()
    }

    /// Compiles all that an agent may ask for into a folder, which is made; the number of programs.
    public static func make(in folder: String, clang: Clang, maglevSize: Int) throws -> Int {
        let programs = ProgramSource.all(maglevSize: maglevSize)
        try make(in: folder, clang: clang, programs: programs)
        return programs.count
    }

    static func make(in folder: String, clang: Clang, programs: [ProgramSource]) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var manifest = Manifest(sources: EmbeddedSources.checksum, objects: [])
        for (number, program) in programs.enumerated() {
            let object = try clang.compile(program.file, macros: program.macros)
            let name = "\(number).o"
            try Data(object).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
            manifest.objects.append(.init(program: program, name: name, checksum: Checksum(object).text))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(manifest).write(to: URL(fileURLWithPath: "\(folder)/\(manifestName)"))
    }
}
