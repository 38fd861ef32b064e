import Addresses

/// The paths that a packet program is compiled with.
public struct Paths: Hashable, Sendable {
    /// At least one.
    public var modes: Set<Mode>
    /// Whether IPv6 packets are balanced, or IPv4 packets go to backends that are reached by IPv6.
    public var ipv6: Bool

    public init(_ modes: Set<Mode>, ipv6: Bool = false) {
        self.modes = modes
        self.ipv6 = ipv6
    }

    public func union(_ other: Self) -> Self {
        Self(modes.union(other.modes), ipv6: ipv6 || other.ipv6)
    }

    public func isSuperset(of other: Self) -> Bool {
        modes.isSuperset(of: other.modes) && (ipv6 || !other.ipv6)
    }

    /// What the preprocessor has to define.
    public var macros: [String] {
        (modes.contains(.snat) ? ["L4LB_SNAT"] : []) + (modes.contains(.dsr) ? ["L4LB_DSR"] : [])
            + (ipv6 ? ["L4LB_IPV6"] : [])
    }
}

extension Paths: CustomStringConvertible {
    /// As the user knows them: `snat`, `dsr`, `ipv6`.
    public var names: [String] { Mode.allCases.filter(modes.contains).map(\.rawValue) + (ipv6 ? ["ipv6"] : []) }

    public var description: String { names.joined(separator: "+") }
}

extension DesiredState {
    /// What new connections need: the agent's own mode only where a service follows it, or none is there yet.
    public var paths: Paths {
        let modes = Set(services.values.map { mode(of: $0) })
        return Paths(modes.isEmpty ? [mode] : modes, ipv6: services.values.contains(where: \.needsIPv6))
    }
}

extension Service {
    var needsIPv6: Bool {
        backends.contains { BackendKey(frontend: frontend, backend: $0.endpoint).needsIPv6 }
    }
}

extension BackendKey {
    /// Whether its connections need the program's IPv6.
    public var needsIPv6: Bool { frontend.endpoint.address.isIPv6 || backend.address.isIPv6 }
}
