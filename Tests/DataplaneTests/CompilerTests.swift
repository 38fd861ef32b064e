import Balancer
import CDataplane
import Foundation
import Testing

@testable import Agent

/// Compilers differ in how much of the stack they use, of which the verifier allows 512 bytes over all calls.
extension PacketTests {
    @Suite struct CompilerTests {
        /// The one that the agent would take, and all others from clang 14 on that are in the PATH.
        static func clangs() throws -> [Clang] {
            let environment = ProcessInfo.processInfo.environment
            let folders = (environment["PATH"] ?? "").split(separator: ":")
            let others = folders.flatMap { folder in (14...30).map { "\(folder)/clang-\($0)" } }
            return [try Programs.clang.get()]
                + others.compactMap { try? Clang.find(flag: $0, environment: [:]) }
        }

        @Test("the verifier takes the program in every configuration, whichever clang of this machine compiles it")
        func everyClang() throws {
            let sizes = MapSizes(mapMax: 64, connections: 64)
            let config = Programs.config(records: sizes.records, portCount: 1)
            for clang in try Self.clangs() {
                for modes in [[.snat], [.dsr], [.snat, .dsr]] as [Set<Mode>] {
                    for ipv6 in [false, true] {
                        let paths = Paths(modes, ipv6: ipv6)
                        #expect(throws: Never.self, "\(clang.path), \(paths)") {
                            _ = try PacketProgram(
                                paths: paths, compiler: .clang(clang), maglevSize: Programs.maglevSize
                            )
                            .createMaps(sizes, config: config)
                        }
                    }
                }
            }
        }
    }
}
