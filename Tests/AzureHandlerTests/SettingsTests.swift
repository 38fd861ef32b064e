import Foundation
import Testing

@testable import AzureHandler

@Suite("Settings as the agent of Azure hands them over")
struct SettingsTests {
    private func file(_ settings: String) -> Data {
        Data(#"{"runtimeSettings":[{"handlerSettings":\#(settings)}]}"#.utf8)
    }

    @Test(
        "The number that the agent says counts, else the file that it has written last, not the highest",
        arguments: [
            ("2", [("9.settings", 3.0)], 2), (nil, [("9.settings", 1.0), ("2.settings", 2.0)], 2),
            (nil, [("1.settings", 1.0), ("3.settings", 1.0)], 3),
            (nil, [("HandlerState", 9.0), ("x.settings", 8.0), ("5.settings.bak", 7.0), ("0.settings", 1.0)], 0),
            ("", [("4.settings", 1.0)], 4), ("-1", [("4.settings", 1.0)], 4), ("0", [], 0), (nil, [], nil),
        ] as [(String?, [(String, Double)], Int?)])
    func sequence(_ variable: String?, _ files: [(String, Double)], _ expected: Int?) {
        let variables = variable.map { [SequenceNumber.variable: $0] } ?? [:]
        let dated = files.map { (name: $0.0, modified: Date(timeIntervalSince1970: $0.1)) }
        #expect(SequenceNumber.current(variables, files: dated) == expected)
    }

    @Test(
        "No settings are an empty file, null and an empty object",
        arguments: ["", " \n", "null", "{}"])
    func none(_ text: String) throws {
        let data = text.contains("l") || text.contains("{") ? file(#"{"publicSettings":\#(text)}"#) : Data(text.utf8)
        let settings = try SettingsFile(data)
        #expect(settings.publicSettings == nil && settings.sealed == nil)
    }

    @Test("Public and protected settings are told apart, and the thumbprint names the agent's files")
    func both() throws {
        let print = String(repeating: "ab", count: 20)
        let settings = try SettingsFile(
            file(
                #"{"publicSettings":{"version":1},"protectedSettings":"AQID\n","protectedSettingsCertThumbprint":"\#(print)"}"#
            ))
        #expect(settings.publicSettings == Data(#"{"version":1}"#.utf8))
        #expect(settings.sealed == .init(bytes: Data([1, 2, 3]), thumbprint: print.uppercased()))
    }

    @Test(
        "A damaged file is the agent's fault, wrong settings the user's",
        arguments: [
            ("{", ExitCode.environment), ("[]", .environment), (#"{"runtimeSettings":[]}"#, .environment),
            (#"{"runtimeSettings":[{"handlerSettings":{"publicSettings":[1]}}]}"#, .settings),
            (
                #"{"runtimeSettings":[{"handlerSettings":{"protectedSettings":"?","protectedSettingsCertThumbprint":"00"}}]}"#,
                .protectedSettings
            ),
            (
                #"{"runtimeSettings":[{"handlerSettings":{"protectedSettings":"AQID","protectedSettingsCertThumbprint":"../../etc/shadow"}}]}"#,
                .protectedSettings
            ),
            (#"{"runtimeSettings":[{"handlerSettings":{"protectedSettings":"AQID"}}]}"#, .protectedSettings),
        ] as [(String, ExitCode)])
    func wrong(_ text: String, _ code: ExitCode) throws {
        let error = try #require(throws: HandlerError.self) { _ = try SettingsFile(Data(text.utf8)) }
        #expect(error.code == code)
    }

    @Test("Nothing of a secret is told, where it is right and where it is wrong")
    func secrets() throws {
        let secret = "hunter2hunter2"
        let pem = "-----BEGIN PRIVATE KEY-----\\n\(secret)\\n-----END PRIVATE KEY-----"
        let certificate = "-----BEGIN CERTIFICATE-----\\n\(secret)\\n-----END CERTIFICATE-----"
        let right = try ProtectedSettings(
            Data(#"{"api":{"certificate":"\#(certificate)","key":"\#(pem)","client_ca":"\#(certificate)"}}"#.utf8))
        #expect(right.tls?.key.contains(secret) == true)
        for words in ["\(right)", String(reflecting: right), "\(right.tls!)", String(reflecting: right.tls!)] {
            #expect(!words.contains(secret))
        }
        var dumped = ""
        dump(right, to: &dumped)
        #expect(!dumped.contains(secret))
        let others = try ProtectedSettings(Data(#"{"\#(secret)":"\#(secret)"}"#.utf8))
        #expect(others.tls == nil && others.hasOthers && !right.hasOthers)
        let wrong = [
            secret, #""\#(secret)""#, #"{"api":"\#(secret)"}"#, #"{"api":{"\#(secret)":1}}"#,
            #"{"api":{"key":"\#(secret)"}}"#,
            #"{"api":{"certificate":"\#(certificate)","key":"\#(secret)","client_ca":"\#(certificate)"}}"#,
            #"{"api":{"certificate":"\#(pem)","key":"\#(pem)","client_ca":"\#(certificate)"}}"#,
        ]
        for text in wrong {
            let error = try #require(throws: HandlerError.self) { _ = try ProtectedSettings(Data(text.utf8)) }
            #expect(error.code == .settings)
            #expect(!error.description.contains(secret), "\(error)")
            #expect(error.description.hasPrefix("protectedSettings"))
        }
    }

    @Test("The agent's folders are read, with and without one for events")
    func environment() throws {
        let text =
            #"[{"name":"A.L4LB","version":1.0,"handlerEnvironment":{"logFolder":"/l","configFolder":"/c","statusFolder":"/s","heartbeatFile":"/h","eventsFolder":"/e"}}]"#
        let environment = try HandlerEnvironment(Data(text.utf8))
        #expect(environment.name == "A.L4LB" && environment.folders.heartbeatFile == "/h")
        #expect(environment.folders.eventsFolder == "/e")
        let old = text.replacing(#","eventsFolder":"/e""#, with: "")
        #expect(try HandlerEnvironment(Data(old.utf8)).folders.eventsFolder == nil)
        for damaged in ["", "[]", "{}", text.replacing("logFolder", with: "log")] {
            let error = try #require(throws: HandlerError.self) { _ = try HandlerEnvironment(Data(damaged.utf8)) }
            #expect(error.code == .environment)
        }
    }
}
