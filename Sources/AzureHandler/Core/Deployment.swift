import API
import Balancer
import Foundation

/// What the settings want to be on the VM.
struct Deployment: Sendable {
    /// The desired state: the agent's file of `--config`.
    var config: Data
    /// Read from it.
    var options: AgentSettings
    var services: Int
    /// Further flags of the agent.
    var flags: [String] = []
    var tls: ProtectedSettings.TLS?

    /// `settings`: the user's public settings as JSON. Nil, or without anything but `api`: what commands set is all there
    /// is.
    /// `device`: the one of the default route, for settings that name none.
    /// `isTrial`: only to tell what is wrong with them; the secrets that they may need are not there.
    init(
        _ settings: Data?, _ secrets: ProtectedSettings, device: String?, isTrial: Bool = false
    ) throws(HandlerError) {
        var object: [String: Any] = [:]
        if let settings {
            guard let own = try? JSONSerialization.jsonObject(with: settings) as? [String: Any] else {
                throw HandlerError(.settings, "publicSettings is not an object")
            }
            object = own
        }
        let listen = try Self.listen(object.removeValue(forKey: "api"))
        // The form of a file as a whole, or nothing of it.
        if object.isEmpty { object = ["version": 1, "services": [Any]()] }
        if (object["agent"] ?? NSNull()) is NSNull { object["agent"] = [String: Any]() }
        if var agent = object["agent"] as? [String: Any], (agent["devices"] ?? NSNull()) is NSNull {
            guard let device else {
                throw HandlerError(
                    .settings,
                    "publicSettings.agent.devices is missing, and there is no default route whose device could be taken: name the devices to balance on"
                )
            }
            agent["devices"] = [device]
            object["agent"] = agent
        }
        do throws(APIError) {
            let config = try Config.read(object)
            services = try config.declared().services.count
            options = config.agent ?? AgentSettings(texts: [:])
        } catch {
            throw HandlerError(.settings, error.within("publicSettings").line)
        }
        guard
            let config = try? JSONSerialization.data(
                withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        else { throw HandlerError(.settings, "publicSettings holds what JSON cannot") }
        self.config = config + Data("\n".utf8)
        guard let listen else { return }
        guard secrets.tls != nil || listen.isLoopback || isTrial else {
            throw HandlerError(
                .settings,
                "publicSettings.api.listen: \(listen) is not loopback, so protectedSettings.api has to have certificate, key and client_ca"
            )
        }
        flags = ["--listen=\(listen)"]
        tls = secrets.tls
    }

    /// What the agent says of its file, as it is about the settings: the path instead of file, line and column.
    static func words(ofAgent line: String) -> String {
        if let place = line.range(of: ": agent.") { return "publicSettings." + line[place.lowerBound...].dropFirst(2) }
        for key in AgentSettings.CodingKeys.allCases {
            guard let flag = line.range(of: "error: \(key.flag):") else { continue }
            return "publicSettings.agent.\(key.rawValue):" + line[flag.upperBound...]
        }
        return line
    }

    private static func listen(_ value: Any?) throws(HandlerError) -> ListenAddress? {
        guard let value, !(value is NSNull) else { return nil }
        guard let api = value as? [String: Any] else {
            throw HandlerError(.settings, "publicSettings.api is not an object")
        }
        if let name = api.keys.sorted().first(where: { $0 != "listen" }) {
            throw HandlerError(
                .settings, "publicSettings.api.\(printable(name, limit: 60)) is not known: it may have listen")
        }
        guard let value = api["listen"], !(value is NSNull) else { return nil }
        guard let text = value as? String, let address = try? ListenAddress(text) else {
            throw HandlerError(
                .settings,
                "publicSettings.api.listen: \(printable("\(value)", limit: 60)) is not an IP address and port, such as 127.0.0.1:9870"
            )
        }
        return address
    }
}
