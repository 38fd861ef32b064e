import API
import Yams

extension Config {
    /// As a file: fields in the order of their description, a backend a line.
    func yaml() throws -> String {
        var node = try Yams.compose(yaml: YAMLEncoder().encode(self)) ?? [:]
        if var services = node["services"]?.sequence {
            for place in services.indices {
                guard var backends = services[place]["backends"]?.sequence else { continue }
                for entry in backends.indices {
                    guard case .mapping(var mapping) = backends[entry] else { continue }
                    mapping.style = .flow
                    backends[entry] = .mapping(mapping)
                }
                services[place]["backends"] = .sequence(backends)
            }
            if services.isEmpty { services.style = .flow }
            node["services"] = .sequence(services)
        }
        return try Yams.serialize(node: node, width: -1)
    }
}
