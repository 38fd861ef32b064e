import Foundation

/// `<seq>.settings`, as the agent of Azure writes it.
struct SettingsFile: Sendable {
    /// What only this VM can read.
    struct Sealed: Equatable, Sendable {
        /// CMS EnvelopedData in DER.
        var bytes: Data
        /// SHA-1 of the certificate that it is for, in upper case: what the agent names its files.
        var thumbprint: String
    }

    /// The user's object as JSON; nil where there is none.
    let publicSettings: Data?
    let sealed: Sealed?

    /// Bytes of a file at the most: the platform takes far less.
    static let limit = 16 << 20

    /// Where the goal state has no settings the file is empty.
    init(_ data: Data) throws(HandlerError) {
        guard !data.allSatisfy({ " \t\r\n\0".utf8.contains($0) }) else {
            publicSettings = nil
            sealed = nil
            return
        }
        guard let file = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
            let list = file["runtimeSettings"] as? [Any], let first = list.first as? [String: Any],
            let settings = first["handlerSettings"] as? [String: Any]
        else {
            throw HandlerError(.environment, "the settings file of the agent of Azure is damaged")
        }
        publicSettings = try Self.publicSettings(settings["publicSettings"])
        sealed = try Self.sealed(settings["protectedSettings"], settings["protectedSettingsCertThumbprint"])
    }

    private static func publicSettings(_ value: Any?) throws(HandlerError) -> Data? {
        guard let value, !(value is NSNull) else { return nil }
        guard let object = value as? [String: Any], let data = try? JSONSerialization.data(withJSONObject: object)
        else { throw HandlerError(.settings, "publicSettings is not an object") }
        return object.isEmpty ? nil : data
    }

    private static func sealed(_ value: Any?, _ thumbprint: Any?) throws(HandlerError) -> Sealed? {
        guard let value, !(value is NSNull), value as? String != "" else { return nil }
        guard let text = value as? String, let bytes = Data(base64Encoded: text, options: .ignoreUnknownCharacters)
        else { throw HandlerError(.protectedSettings, "protectedSettings is not base64") }
        // It becomes part of a path.
        guard let thumbprint = thumbprint as? String, thumbprint.utf8.count == 40,
            thumbprint.allSatisfy(\.isHexDigit)
        else { throw HandlerError(.protectedSettings, "protectedSettingsCertThumbprint is not a SHA-1 in hex") }
        return Sealed(bytes: bytes, thumbprint: thumbprint.uppercased())
    }
}
