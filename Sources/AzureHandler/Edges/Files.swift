import Foundation

/// Files as the handler reads and writes them: bounded, and whole or not at all.
enum Files {
    static func read(_ path: String, limit: Int = SettingsFile.limit) -> Data? {
        guard let file = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? file.close() }
        var bytes = Data()
        while bytes.count <= limit, let more = try? file.read(upToCount: 1 << 20), !more.isEmpty { bytes += more }
        return bytes.count <= limit ? bytes : nil
    }

    static func text(_ path: String) -> String? { read(path).map { String(decoding: $0, as: UTF8.self) } }

    static func exists(_ path: String) -> Bool {
        var information = stat()
        return lstat(path, &information) == 0
    }

    /// Replaces it in one step. Its folder is made where it is missing.
    static func write(_ bytes: Data, to path: String, mode: Int32 = 0o644) throws(HandlerError) {
        let folder = (path as NSString).deletingLastPathComponent
        let temporary = "\(folder)/.\((path as NSString).lastPathComponent).new"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try? FileManager.default.removeItem(atPath: temporary)
            guard
                FileManager.default.createFile(
                    atPath: temporary, contents: nil, attributes: [.posixPermissions: Int(mode)]),
                let file = FileHandle(forWritingAtPath: temporary)
            else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            try file.write(contentsOf: bytes)
            try file.synchronize()
            try file.close()
            guard rename(temporary, path) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw HandlerError(.files, "\(path) cannot be written: \(error.localizedDescription)")
        }
    }

    /// Points a link to a target, in one step.
    static func link(_ path: String, to target: String) throws(HandlerError) {
        let temporary = path + ".new"
        unlink(temporary)
        guard symlink(target, temporary) == 0, rename(temporary, path) == 0 else {
            throw HandlerError(.files, "the link \(path) cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    static func target(_ link: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: link)
    }

    static func makeFolder(_ path: String) throws(HandlerError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw HandlerError(.files, "\(path) cannot be made: \(error.localizedDescription)")
        }
    }

    /// With all that is in it; what is not there is no error.
    static func remove(_ path: String) throws(HandlerError) {
        guard exists(path) else { return }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw HandlerError(.removal, "\(path) cannot be removed: \(error.localizedDescription)")
        }
    }

    static func names(in folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }

    static func modified(_ path: String) -> Date? {
        try? FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
    }

    static func size(_ path: String) -> Int? {
        try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
    }
}
