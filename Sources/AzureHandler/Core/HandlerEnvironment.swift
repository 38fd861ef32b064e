import Foundation

/// What the agent of Azure says of the package's folders: `HandlerEnvironment.json`, an array of one.
struct HandlerEnvironment: Decodable, Sendable {
    private struct Entry: Decodable {
        var name: String
        var handlerEnvironment: Folders
    }
    struct Folders: Decodable, Sendable {
        var logFolder: String
        var configFolder: String
        var statusFolder: String
        var heartbeatFile: String
        /// Agents before 2.2.54 have none.
        var eventsFolder: String?
    }

    static let fileName = "HandlerEnvironment.json"
    /// `Publisher.Type`
    let name: String
    let folders: Folders

    init(from decoder: any Decoder) throws {
        var entries = try decoder.unkeyedContainer()
        let entry = try entries.decode(Entry.self)
        name = entry.name
        folders = entry.handlerEnvironment
    }

    init(_ data: Data) throws(HandlerError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: data)
        } catch {
            throw HandlerError(
                .environment, "\(Self.fileName) is damaged: the agent of Azure writes it when it installs the extension"
            )
        }
    }
}
