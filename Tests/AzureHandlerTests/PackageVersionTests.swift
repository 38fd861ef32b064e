import Testing

@testable import AzureHandler

@Suite("Versions of a package, and what they let a command do")
struct PackageVersionTests {
    static func version(_ text: String) -> PackageVersion {
        PackageVersion(text) ?? { preconditionFailure("\(text) is no version") }()
    }

    @Test("Numbers are compared as numbers, and a missing fourth is 0")
    func order() {
        let texts = ["0.9.10", "1.0.0", "1.0.0.1", "1.0.0.10", "1.0.2", "1.0.10", "1.10.0.0", "2.0.0"]
        let versions = texts.map(Self.version)
        #expect(versions.reversed().sorted().map(\.description) == texts)
        #expect(Self.version("1.2.3") == Self.version("1.2.3.0"))
        #expect(Self.version("1.2.3.4").product == "1.2.3")
    }

    @Test(
        "What is no version is refused",
        arguments: [
            "", "1", "1.2", "1.2.3.4.5", "1.2.x", "1.02.3", "-1.2.3", "1..3", "1.2.3\n", "1.2.٣", "1.2.1234567890",
        ])
    func malformed(_ text: String) {
        #expect(PackageVersion(text) == nil)
    }

    @Test(
        "Install and update go up, mend what is broken, and leave a product alone that has not changed",
        arguments: [
            ("1.0.0", nil, false, false, Transition.Install.product), ("1.0.0", "1.0.0", true, false, .nothing),
            ("1.0.0", "1.0.0.0", true, true, .nothing), ("1.0.0", "1.0.0", false, true, .product),
            ("1.1.0", "1.0.0", false, false, .product), ("1.0.0.2", "1.0.0.1", true, false, .handler),
            ("1.0.0.2", "1.0.0.1", false, false, .product), ("1.0.1.0", "1.0.0.9", true, false, .product),
        ] as [(String, String?, Bool, Bool, Transition.Install)])
    func install(
        _ own: String, _ installed: String?, _ isWhole: Bool, _ isForbidden: Bool, _ expected: Transition.Install
    )
        throws
    {
        let step = try Transition.install(
            Self.version(own), over: installed.map(Self.version), isWhole: isWhole, isForbidden: isForbidden)
        #expect(step == expected)
    }

    @Test(
        "A lower version is refused, and any other where the owner of the VM has said so",
        arguments: [
            ("1.0.0", "1.0.1", false, ExitCode.older), ("1.0.0.1", "1.0.0.2", false, .older),
            ("1.1.0", "1.0.0", true, .forbidden), ("1.0.0", "1.1.0", true, .forbidden),
        ] as [(String, String, Bool, ExitCode)])
    func refused(_ own: String, _ installed: String, _ isForbidden: Bool, _ code: ExitCode) throws {
        let error = try #require(throws: HandlerError.self) {
            _ = try Transition.install(
                Self.version(own), over: Self.version(installed), isWhole: true, isForbidden: isForbidden)
        }
        #expect(error.code == code)
        #expect(error.description.contains(own) && error.description.contains(installed))
    }

    @Test("The update of a version that is to go down is told from one that goes up")
    func downgrade() {
        #expect(Transition.isDowngrade(Self.version("1.1.0"), target: Self.version("1.0.0")))
        #expect(!Transition.isDowngrade(Self.version("1.1.0"), target: Self.version("1.1.0.0")))
        #expect(!Transition.isDowngrade(Self.version("1.1.0"), target: nil))
    }

    @Test(
        "Uninstall leaves a newer version's things alone, and packets to a version that follows",
        arguments: [
            ("1.0.0", "1.1.0", false, Transition.Uninstall.othersStay), ("1.0.0", "1.1.0", true, .othersStay),
            ("1.0.0", "1.0.0.1", false, .othersStay), ("1.0.0", "1.0.0", false, .everything),
            ("1.1.0", "1.1.0", true, .pathStays), ("1.1.0", nil, false, .everything),
            // What an update that failed has left.
            ("1.1.0", "1.0.0", false, .everything),
        ] as [(String, String?, Bool, Transition.Uninstall)])
    func uninstall(_ own: String, _ installed: String?, _ isFollowed: Bool, _ expected: Transition.Uninstall) {
        let step = Transition.uninstall(
            Self.version(own), installed: installed.map(Self.version), isFollowed: isFollowed)
        #expect(step == expected)
    }

    @Test(
        "A folder beside the package's is one that follows only where the agent has prepared it and not installed it",
        arguments: [
            ("NotInstalled", true, true), ("NotInstalled", false, false), ("FailedUpgrade", true, false),
            ("Installed", true, false), ("Enabled", true, false), (nil, true, false),
        ] as [(String?, Bool, Bool)])
    func sibling(_ state: String?, _ isPrepared: Bool, _ follows: Bool) {
        #expect(Sibling(state: state, isPrepared: isPrepared).follows == follows)
    }
}
