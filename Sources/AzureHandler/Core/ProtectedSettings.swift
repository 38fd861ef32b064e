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

    var description: String { "ProtectedSettings" }
    var customMirror: Mirror { Mirror(self, children: []) }

    init() {}

    /// The plaintext, which is the user's object.
    init(_ data: Data) throws(HandlerError) {
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw HandlerError(.settings, "protectedSettings is not an object")
        }
        try Self.know(object, ["api"], in: "protectedSettings")
        guard let value = object["api"], !(value is NSNull) else { return }
        guard let api = value as? [String: Any] else {
            throw HandlerError(.settings, "protectedSettings.api is not an object")
        }
        try Self.know(api, ["certificate", "key", "client_ca"], in: "protectedSettings.api")
        tls = TLS(
            certificate: try Self.pem(api, "certificate", "CERTIFICATE"),
            key: try Self.pem(api, "key", "PRIVATE KEY"), clientCA: try Self.pem(api, "client_ca", "CERTIFICATE"))
    }

    private static func know(_ object: [String: Any], _ names: [String], in path: String) throws(HandlerError) {
        // Even a wrong name may be a secret that was put in the wrong place.
        guard Set(object.keys).isSubset(of: names) else {
            throw HandlerError(
                .settings, "\(path) has a field that is not known: it may have \(names.joined(separator: ", "))")
        }
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
