import Foundation

/// The secrets of the settings. Nothing of them is ever told: not in an error either.
struct ProtectedSettings: Sendable, CustomStringConvertible, CustomReflectable {
    /// What the API's TLS is made of, each in PEM.
    struct TLS: Equatable, Sendable, CustomStringConvertible, CustomReflectable {
        var certificate: String
        var key: String
        var clientCA: String

        var description: String { "TLS" }
        var customMirror: Mirror { Mirror(self, children: []) }
    }

    var tls: TLS?
    /// There are members that nobody asks for. Their names are not told, as a secret may have been put in the wrong place.
    var hasOthers = false

    var description: String { "ProtectedSettings" }
    var customMirror: Mirror { Mirror(self, children: []) }

    init() {}

    /// The plaintext, which is the user's object.
    init(_ data: Data) throws(HandlerError) {
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw HandlerError(.settings, "protectedSettings is not an object")
        }
        hasOthers = object.keys.contains { $0 != "api" }
        guard let value = object["api"], !(value is NSNull) else { return }
        guard let api = value as? [String: Any] else {
            throw HandlerError(.settings, "protectedSettings.api is not an object")
        }
        guard Set(api.keys).isSubset(of: ["certificate", "key", "client_ca"]) else {
            throw HandlerError(
                .settings,
                "protectedSettings.api has a field that is not known: it may have certificate, key, client_ca")
        }
        tls = TLS(
            certificate: try Self.pem(api, "certificate", "CERTIFICATE"),
            key: try Self.pem(api, "key", "PRIVATE KEY"), clientCA: try Self.pem(api, "client_ca", "CERTIFICATE"))
    }

    private static func pem(_ api: [String: Any], _ name: String, _ kind: String) throws(HandlerError) -> String {
        let path = "protectedSettings.api.\(name)"
        guard let text = api[name] as? String else {
            throw HandlerError(.settings, "\(path) is missing: certificate, key and client_ca belong together")
        }
        guard text.contains("-----BEGIN "), text.contains("\(kind)-----") else {
            throw HandlerError(.settings, "\(path) is not in PEM, -----BEGIN \(kind)-----")
        }
        return text.hasSuffix("\n") ? text : text + "\n"
    }
}
