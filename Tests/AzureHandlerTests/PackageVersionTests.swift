import Testing

@testable import AzureHandler

@Suite("Versions of a package")
struct PackageVersionTests {
    @Test("Numbers are compared as numbers, and a missing fourth is 0")
    func order() throws {
        let texts = ["0.9.10", "1.0.0", "1.0.0.1", "1.0.0.10", "1.0.2", "1.0.10", "1.10.0.0", "2.0.0"]
        let versions = try texts.map { try #require(PackageVersion($0)) }
        #expect(versions.reversed().sorted().map(\.description) == texts)
        #expect(PackageVersion("1.2.3") == PackageVersion("1.2.3.0"))
    }
}
