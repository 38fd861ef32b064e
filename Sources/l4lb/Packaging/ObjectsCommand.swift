import Agent
import ArgumentParser
import Balancer
import Foundation

/// Makes what a package has for hosts without a clang.
struct ObjectsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "objects", abstract: "Compile the packet programs for a package.", shouldDisplay: false)

    @Option(help: "The folder that they are written to.", completion: .directory)
    var output: String
    @Option(help: "The clang that compiles them.", completion: .file())
    var clang: String?

    func run() throws {
        let clang = try Clang.find(flag: clang, environment: ProcessInfo.processInfo.environment)
        let count = try PackagedObjects.make(in: output, clang: clang, maglevSize: MaglevTable.defaultSize)
        Output().line("\(count) programs in \(output)")
    }
}
