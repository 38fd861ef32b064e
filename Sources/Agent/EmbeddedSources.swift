import DataplaneSources
import Foundation

/// The files of bpf/ in this binary, and the system headers that they include.
enum EmbeddedSources {
    static var files: [(path: String, bytes: Data)] {
        var files: [(String, Data)] = []
        while true {
            let file = l4lb_source_file(files.count)
            guard let path = file.path, let bytes = file.bytes else { return files }
            files.append((String(cString: path), Data(bytes: bytes, count: file.size)))
        }
    }

    /// Which sources these are: the same in two binaries only where every file is.
    static let checksum: String = {
        var checksum = Checksum()
        for file in files {
            checksum.add("\(file.path) \(file.bytes.count)\n".utf8)
            checksum.add(file.bytes)
        }
        return checksum.text
    }()
}
