import Balancer
import Foundation
import Testing

@testable import Agent

/// The programs of a package, for hosts without a clang.
@Suite struct PackagedObjectsTests {
    /// A PATH without any program.
    private static let nowhere = ["PATH": "/nonexistent"]

    /// The clock and one packet program, in a folder of their own.
    private func withPackage(_ body: (String, Clang) throws -> Void) throws {
        let clang = try Programs.clang.get()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("l4lb-objects-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let programs: [ProgramSource] = [.clock, .packet(Paths([.snat]), maglevSize: 251)]
        try PackagedObjects.make(in: folder.path, clang: clang, programs: programs)
        try body(folder.path, clang)
    }

    private func message(_ work: () throws -> Void) -> String {
        do {
            try work()
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test("without a clang the package's programs are taken, which are those that the clang made")
    func used() throws {
        try withPackage { folder, clang in
            let compiler = try Compiler.find(flag: nil, environment: Self.nowhere, objects: folder)
            #expect(compiler.origin == .packaged)
            #expect(try compiler.object(.clock) == clang.compile("clock.bpf.c", macros: []))
        }
    }

    @Test("a clang is preferred, and one that was named has to be one")
    func preferred() throws {
        try withPackage { folder, clang in
            let found = try Compiler.find(flag: clang.path, environment: Self.nowhere, objects: folder)
            #expect(found.origin == .here)
            let flag = message { _ = try Compiler.find(flag: "/bin/true", environment: [:], objects: folder) }
            #expect(flag.hasPrefix("--clang: /bin/true is no clang"))
            let variable = message {
                _ = try Compiler.find(flag: nil, environment: ["L4LB_CLANG": "/bin/true"], objects: folder)
            }
            #expect(variable.hasPrefix("L4LB_CLANG: /bin/true is no clang"))
        }
    }

    @Test("without a clang and without a package the error says what to install")
    func neither() {
        let error = message { _ = try Compiler.find(flag: nil, environment: Self.nowhere, objects: "/nonexistent") }
        #expect(error.contains("install Debian's clang"))
    }

    @Test("another size of Maglev tables than the package's is refused, and the flag is named")
    func otherSize() throws {
        try withPackage { folder, _ in
            let compiler = try Compiler.find(flag: nil, environment: Self.nowhere, objects: folder)
            let error = message { _ = try compiler.object(.packet(Paths([.snat]), maglevSize: 509)) }
            #expect(error.hasPrefix("--bpf-lb-maglev-table-size: the packaged programs have 251, not 509"))
        }
    }

    @Test("programs of another version, and damaged ones, are refused")
    func refused() throws {
        try withPackage { folder, _ in
            let package = try #require(try PackagedObjects(folder: folder))
            let object = URL(fileURLWithPath: folder + "/0.o")
            try (try Data(contentsOf: object) + [0]).write(to: object)
            #expect(message { _ = try package.object(.clock) }.hasPrefix("\(object.path) is missing or damaged"))
            try FileManager.default.removeItem(at: object)
            #expect(message { _ = try package.object(.clock) }.hasPrefix("\(object.path) is missing or damaged"))

            let manifest = URL(fileURLWithPath: folder + "/manifest.json")
            let text = try String(contentsOf: manifest, encoding: .utf8)
            try Data(text.replacing(EmbeddedSources.checksum, with: "1").utf8).write(to: manifest)
            let stale = message { _ = try Compiler.find(flag: nil, environment: Self.nowhere, objects: folder) }
            #expect(stale.hasPrefix("the programs in \(folder) are of another version than this l4lb"))
            try Data(text.utf8.dropLast(9)).write(to: manifest)
            #expect(message { _ = try PackagedObjects(folder: folder) }.hasPrefix("\(manifest.path) is damaged"))
        }
    }

    @Test("a package has every program that an agent may ask for: clock, probes, each set of paths, and explain's")
    func all() {
        let all = ProgramSource.all(maglevSize: 16381)
        #expect(all.count == 14 && Set(all).count == 14)
        for modes in [[.snat], [.dsr], [.snat, .dsr]] as [Set<Mode>] {
            for ipv6 in [false, true] {
                for isDry in [false, true] {
                    #expect(all.contains(.packet(Paths(modes, ipv6: ipv6), maglevSize: 16381, isDry: isDry)))
                }
            }
        }
        #expect(all.contains(.clock) && all.contains(.probe))
    }
}
