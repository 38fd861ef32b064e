import Foundation
import Testing

@testable import AzureHandler

/// What reads and writes, in a folder of its own.
@Suite("The handler's files")
struct EdgeTests: ~Copyable {
    private let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("l4lb-azure-\(UUID().uuidString)").path

    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    private func write(_ text: String, _ name: String) throws {
        try Files.write(Data(text.utf8), to: "\(folder)/\(name)")
    }

    @Test("A file is replaced as a whole, has its mode from the beginning, and leaves nothing beside it")
    func replace() throws {
        let path = "\(folder)/tls/key.pem"
        for text in ["one", "another"] {
            try Files.write(Data(text.utf8), to: path, mode: 0o600)
            #expect(Files.text(path) == text)
            #expect(try mode(path) == 0o600)
        }
        #expect(Files.names(in: "\(folder)/tls") == ["key.pem"])
        let error = try #require(throws: HandlerError.self) { try Files.write(Data(), to: "/proc/nowhere/x") }
        #expect(error.code == .files && error.description.hasPrefix("/proc/nowhere/x cannot be written"))
    }

    @Test("A file that is longer than it may be is not read")
    func limit() throws {
        try write("12345", "f")
        #expect(Files.read("\(folder)/f", limit: 5) != nil)
        #expect(Files.read("\(folder)/f", limit: 4) == nil)
        #expect(Files.read("\(folder)/none") == nil)
    }

    @Test("A link is switched in one step")
    func link() throws {
        let link = "\(folder)/current"
        for target in ["1.0.0", "1.1.0"] {
            try Files.link(link, to: target)
            #expect(Files.target(link) == target)
        }
        #expect(Files.exists(link) && Files.names(in: folder) == ["current"])
    }

    @Test("The log begins anew when it is full, and keeps the one before")
    func log() throws {
        let log = HandlerLog(folder: folder, operation: "enable", version: "1.0.0")
        let path = "\(folder)/\(HandlerLog.fileName)"
        try Data(repeating: UInt8(ascii: "x"), count: HandlerLog.limit).write(to: URL(fileURLWithPath: path))
        log.info("first\nsecond")
        #expect(Files.size(path + ".1") == HandlerLog.limit)
        let text = try #require(Files.text(path))
        #expect(text.hasSuffix(" INFO enable[\(getpid())] 1.0.0: first\n    second\n"))
        log.error("third")
        #expect(Files.text(path)?.hasSuffix(" ERROR enable[\(getpid())] 1.0.0: third\n") == true)
    }

    @Test("One command at a time, and the lock leaves no file")
    func lock() throws {
        let first = try Lock(folder)
        let error = try #require(throws: HandlerError.self) { _ = try Lock(folder, patience: 0) }
        #expect(error.code == .locked)
        first.release()
        try Lock(folder, patience: 0).release()
        #expect(Files.names(in: folder).isEmpty)
    }

    @Test("Protected settings are opened by openssl, and by the certificate's own key alone")
    func seal() async throws {
        func openssl(_ arguments: String...) async throws {
            let outcome = await Program.run("openssl", arguments)
            try #require(outcome.isGood, "\(outcome.text)")
        }
        for name in ["own", "other"] {
            try await openssl(
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
                "-keyout", "\(folder)/\(name).prv", "-out", "\(folder)/\(name).crt")
        }
        try write(#"{"api":null}"#, "plain")
        try await openssl(
            "cms", "-encrypt", "-binary", "-outform", "DER", "-aes256", "-in", "\(folder)/plain",
            "-out", "\(folder)/sealed", "\(folder)/own.crt")
        let bytes = try #require(Files.read("\(folder)/sealed"))
        let own = SettingsFile.Sealed(bytes: bytes, thumbprint: "own")
        #expect(try await Seal.open(own, folder: folder) == Data(#"{"api":null}"#.utf8))
        for sealed in [
            SettingsFile.Sealed(bytes: bytes, thumbprint: "other"), .init(bytes: bytes, thumbprint: "none"),
            .init(bytes: Data("{}".utf8), thumbprint: "own"),
        ] {
            let error = await #expect(throws: HandlerError.self) { _ = try await Seal.open(sealed, folder: folder) }
            #expect(error?.code == .protectedSettings)
        }
    }

    @Test("A program is bounded in time, and one that does not exist is told")
    func programs() async {
        #expect(await Program.run("sh", ["-c", "echo out; echo err >&2; exit 3"]).status == 3)
        #expect(await Program.run("sh", ["-c", "kill -9 $$"]).status == 137)
        #expect(await Program.run("l4lb-no-such-program", []).status == -1)
        let begun = ContinuousClock.now
        #expect(await Program.run("sleep", ["60"], seconds: 1).status == 124)
        #expect(ContinuousClock.now - begun < .seconds(30))
    }

    @Test("The package knows its version, its folders, the newest settings and who follows it")
    func package() throws {
        try write("1.0.0.3\n", "A.L4LB-1.0.0.3/VERSION")
        let own = "\(folder)/A.L4LB-1.0.0.3"
        let missing = try #require(throws: HandlerError.self) { _ = try ExtensionPackage(own) }
        #expect(missing.code == .environment)
        func prepare(_ version: String, _ state: String) throws {
            let home = "\(folder)/A.L4LB-\(version)"
            try write(
                #"[{"name":"A.L4LB","version":1.0,"handlerEnvironment":{"logFolder":"\#(folder)","configFolder":"\#(home)/config","statusFolder":"\#(home)/status","heartbeatFile":"\#(home)/heartbeat.log"}}]"#,
                "A.L4LB-\(version)/HandlerEnvironment.json")
            try write(state, "A.L4LB-\(version)/config/HandlerState")
        }
        try prepare("1.0.0.3", "Enabled")
        try write(
            #"[{"version":1.0,"handlerManifest":{"reportHeartbeat":true}}]"#, "A.L4LB-1.0.0.3/HandlerManifest.json")
        try write("", "A.L4LB-1.0.0.3/config/7.settings")
        let package = try ExtensionPackage(own)
        #expect(package.version.product == "1.0.0" && package.reportsHeartbeat)
        #expect(package.sequence([:]) == 7 && package.sequence(["ConfigSequenceNumber": "2"]) == 2)
        #expect(package.follower == nil)
        try prepare("1.1.0", "FailedUpgrade")
        try prepare("1.2.0", "Installed")
        try prepare("x", "NotInstalled")
        #expect(package.follower == nil)
        try prepare("1.1.0", "NotInstalled\n")
        #expect(package.follower == "A.L4LB-1.1.0")
    }
}
