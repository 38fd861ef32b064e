import ArgumentParser
import Foundation

/// Writes the manual pages: the command's own, and one for each subcommand.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Write the manual pages for a package.", shouldDisplay: false)

    @Option(help: "The folder that they are written to.", completion: .directory)
    var output: String

    func run() throws {
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        let pages = try ManualPage.all(date: Self.date(environment: ProcessInfo.processInfo.environment))
        for page in pages {
            try Data(page.text.utf8).write(to: URL(fileURLWithPath: "\(output)/\(page.fileName)"))
        }
        Output().line("\(pages.count) pages in \(output)")
    }

    /// Today, or what a reproducible build says: https://reproducible-builds.org/specs/source-date-epoch/
    static func date(environment: [String: String]) -> Date {
        environment["SOURCE_DATE_EPOCH"].flatMap(TimeInterval.init).map(Date.init(timeIntervalSince1970:)) ?? Date()
    }
}
