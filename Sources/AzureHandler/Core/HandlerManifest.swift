import Foundation

/// The one member of the package's `HandlerManifest.json` that the handler itself goes by.
struct HandlerManifest: Decodable, Sendable {
    private struct Entry: Decodable {
        struct Members: Decodable { var reportHeartbeat: Bool? }
        var handlerManifest: Members
    }

    static let fileName = "HandlerManifest.json"
    let reportsHeartbeat: Bool

    init(from decoder: any Decoder) throws {
        var entries = try decoder.unkeyedContainer()
        reportsHeartbeat = try entries.decode(Entry.self).handlerManifest.reportHeartbeat ?? false
    }
}
