import API
import Balancer
import Foundation
import Yams

/// What is wrong with a file: `/etc/l4lb/l4lb.yaml:12:5: services[3].frontend: …`
struct FileFault: Error, CustomStringConvertible {
    var description: String
}

/// A file of the desired state, read and checked as far as that goes without the agent.
struct ConfigFile: Sendable {
    let path: String
    let bytes: Data
    let config: Config
    let declared: DeclaredState
    private let text: String

    /// The path that stands for standard input.
    static let standardInput = "-"

    init(_ path: String) throws(FileFault) {
        try self.init(path, bytes: try Self.read(path))
    }

    init(_ path: String, bytes: Data) throws(FileFault) {
        self.path = path
        self.bytes = bytes
        guard let text = String(data: bytes, encoding: .utf8) else {
            throw FileFault(description: "\(path): it is not UTF-8 text")
        }
        self.text = text
        let tree = try ConfigTree(text, path: path)
        do throws(APIError) {
            config = try Config.read(try tree.object())
            declared = try config.declared()
        } catch {
            throw tree.fault(error)
        }
    }

    /// An error about one of its fields, with the place.
    func fault(_ error: APIError) -> any Error {
        guard error.field != nil, let tree = try? ConfigTree(text, path: path) else { return error }
        return tree.fault(error)
    }

    private static func read(_ path: String) throws(FileFault) -> Data {
        let handle = path == standardInput ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        guard let handle else {
            throw FileFault(description: "\(path): cannot be read: \(String(cString: strerror(errno)))")
        }
        var bytes = Data()
        do {
            while bytes.count <= Config.limit, let more = try handle.read(upToCount: 1 << 20), !more.isEmpty {
                bytes += more
            }
        } catch {
            throw FileFault(description: "\(path): cannot be read: \(error.localizedDescription)")
        }
        guard bytes.count <= Config.limit else {
            throw FileFault(description: "\(path): it is larger than \(Config.limit >> 20) MiB")
        }
        return bytes
    }
}

/// A file's YAML, with the place of each node.
struct ConfigTree {
    private let path: String
    private let root: Node

    /// Anchors are refused before anything is parsed: a few lines of them can stand for more than fits into memory.
    /// Comments are blanked for that, so that none can hide there. The parser itself refuses depths beyond 1000.
    init(_ text: String, path: String) throws(FileFault) {
        self.path = path
        let text = try Self.withoutComments(text, path: path)
        do {
            // Without its rules of types, which are not JSON's.
            guard let root = try Yams.compose(yaml: text, .basic) else {
                throw FileFault(description: "\(path): it is empty: a file without services says 'services: []'")
            }
            self.root = root
        } catch let error as FileFault {
            throw error
        } catch {
            throw FileFault(description: Self.text(error, path: path))
        }
    }

    /// A # after a blank begins a comment, up to the line's end, where no quote stands before it.
    private static func withoutComments(_ text: String, path: String) throws(FileFault) -> String {
        var kept = String.UnicodeScalarView()
        var (line, column) = (1, 0)
        var (isComment, hasQuote) = (false, false)
        var before: Unicode.Scalar = "\n"
        for scalar in text.unicodeScalars {
            defer { before = scalar }
            if Self.breaks.contains(scalar) {
                if !(scalar == "\n" && before == "\r") { line += 1 }
                (column, isComment, hasQuote) = (0, false, false)
                kept.append(scalar)
                continue
            }
            column += 1
            if scalar == "#", !hasQuote, column == 1 || before == " " || before == "\t" { isComment = true }
            if isComment { continue }
            if scalar == "\"" || scalar == "'" { hasQuote = true }
            if scalar == "&" {
                throw FileFault(
                    description: "\(path):\(line):\(column): anchors and aliases are not taken: write it out")
            }
            kept.append(scalar)
        }
        return String(kept)
    }

    /// What ends a line in YAML 1.1, as its parser has it.
    private static let breaks: Set<Unicode.Scalar> = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]

    private static func text(_ error: any Error, path: String) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "\(path):\(mark): it is not YAML: \(problem)"
        case .duplicatedKeysInMapping(let keys, let context):
            "\(path):\(context.mark): \(keys.map(quoted).joined(separator: ", ")) is given twice"
        case .reader(let problem, _, _, _): "\(path): it is not YAML: \(problem)"
        default: "\(path): it is not YAML: \(error)"
        }
    }

    // MARK: Values

    /// The same as JSON has it.
    func object() throws(APIError) -> [String: Any] {
        guard case .mapping = root, let object = try Self.value(root) as? [String: Any] else {
            throw APIError(.invalid, "the file is not an object", mend: "begin it with 'version: 1'")
        }
        return object
    }

    private static func value(_ node: Node) throws(APIError) -> Any {
        switch node {
        case .scalar(let scalar): return value(scalar)
        case .sequence(let sequence):
            var list: [Any] = []
            list.reserveCapacity(sequence.count)
            for item in sequence { list.append(try value(item)) }
            return list
        case .mapping(let mapping):
            var object: [String: Any] = [:]
            for (key, item) in mapping {
                guard case .scalar(let name) = key else {
                    throw APIError(.invalid, "\(place(key)): a field's name is not a text")
                }
                object[name.string] = try value(item)
            }
            return object
        case .alias: throw APIError(.invalid, "\(place(node)): aliases are not taken")
        }
    }

    /// The types of JSON; all else, what is quoted too, is text.
    private static func value(_ scalar: Node.Scalar) -> Any {
        guard scalar.style == .any || scalar.style == .plain else { return scalar.string }
        switch scalar.string {
        case "", "~", "null": return NSNull()
        case "true": return true
        case "false": return false
        case let text:
            guard let first = text.utf8.first, UInt8(ascii: "0")...UInt8(ascii: "9") ~= first || text.hasPrefix("-"),
                text.utf8.count <= 20
            else { return text }
            if let number = Int(text) { return number }
            if let number = Double(text), number.isFinite, !text.contains("x") { return number }
            return text
        }
    }

    // MARK: Places

    private static func place(_ node: Node) -> String { node.mark.map { "\($0)" } ?? "1:1" }

    /// With the place of its field, or of what should have it.
    func fault(_ error: APIError) -> FileFault {
        guard let field = error.field else { return FileFault(description: "\(path): \(error.line)") }
        return FileFault(description: "\(path):\(place(of: field)): \(error.line)")
    }

    private func place(of field: String) -> String {
        var node = root
        var place = Self.place(root)
        var steps = field.split(separator: ".").flatMap(Self.steps)[...]
        while let step = steps.popFirst() {
            switch (step, node) {
            case (.name(let name), .mapping(let mapping)):
                guard let pair = mapping.first(where: { $0.key.scalar?.string == name }) else {
                    // What a service does not say itself may come from the defaults.
                    guard field.hasPrefix("services["), case .mapping(let root) = root,
                        case .mapping(let defaults)? = root["defaults"],
                        let pair = defaults.first(where: { $0.key.scalar?.string == name })
                    else { return place }
                    return Self.place(pair.key)
                }
                node = pair.value
                place = Self.place(pair.key)
            case (.index(let index), .sequence(let list)) where list.indices.contains(index):
                node = list[index]
                place = Self.place(node)
            default: return place
            }
        }
        return place
    }

    private enum Step {
        case name(String)
        case index(Int)
    }

    /// `services[3]` is two.
    private static func steps(_ part: Substring) -> [Step] {
        let pieces = part.split(separator: "[")
        guard let name = pieces.first else { return [] }
        return [.name(String(name))] + pieces.dropFirst().compactMap { Int($0.dropLast()).map(Step.index) }
    }
}
