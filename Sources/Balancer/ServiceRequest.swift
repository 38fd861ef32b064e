import Addresses

/// `service update` as the user wrote it, read but not yet held against the state.
public struct ServiceRequest: Hashable, Sendable {
    public var id: UInt16?
    public var frontend: Frontend
    public var backends: [Backend]
    public var algorithm: Algorithm
    public var affinity: UInt32?
    public var sourceRanges: [IPPrefix]
    public var sourceRangesPolicy: SourceRangesPolicy
    public var mode: Mode?
    public var maxNewConnections: UInt32?
    public var healthCheck: HealthCheck?

    /// Seconds of affinity where none are written: Kubernetes' default.
    public static let defaultAffinity: UInt32 = 10_800
    /// Seconds of affinity at the most: a day.
    public static let affinityLimit: UInt32 = 86_400
    /// New connections in a second at the most, where they are limited.
    public static let newConnectionsLimit: UInt32 = 10_000_000
    /// Items in one list of a command.
    static let listLimit = 65_536
}

extension ServiceRequest {
    /// The options' texts, named as the user writes them.
    public struct Texts: Hashable, Sendable {
        public var id: String?
        public var frontend: String
        public var backends: String
        public var weights: String?
        public var states: String?
        public var algorithm: String?
        /// Empty: the default time.
        public var affinity: String?
        public var sourceRanges: String?
        public var sourceRangesPolicy: String?
        public var mode: String?
        public var maxNewConnections: String?
        public var health: HealthCheck.Texts

        public init(
            id: String? = nil, frontend: String, backends: String, weights: String? = nil, states: String? = nil,
            algorithm: String? = nil, affinity: String? = nil, sourceRanges: String? = nil,
            sourceRangesPolicy: String? = nil, mode: String? = nil, maxNewConnections: String? = nil,
            health: HealthCheck.Texts = .init()
        ) {
            self.id = id
            self.frontend = frontend
            self.backends = backends
            self.weights = weights
            self.states = states
            self.algorithm = algorithm
            self.affinity = affinity
            self.sourceRanges = sourceRanges
            self.sourceRangesPolicy = sourceRangesPolicy
            self.mode = mode
            self.maxNewConnections = maxNewConnections
            self.health = health
        }
    }

    public init(_ texts: Texts) throws(BalancerError) {
        id = try texts.id.map { text throws(BalancerError) in try Self.readID(text) }
        frontend = try Self.frontend(texts.frontend)
        let endpoints = try Self.list("--backends", texts.backends) { text throws(BalancerError) in
            try Self.backend(text)
        }
        let weights = try texts.weights.map { text throws(BalancerError) in
            try Self.list("--backend-weights", text) { item throws(BalancerError) in
                guard let weight = number(item, as: UInt16.self) else {
                    throw .usage("--backend-weights: \(quoted(item)) is not a weight from 0 to 65535")
                }
                return weight
            }
        }
        let states = try texts.states.map { text throws(BalancerError) in
            try Self.list("--states", text) { item throws(BalancerError) in
                guard let state = BackendState(rawValue: item) else {
                    throw .usage("--states: \(quoted(item)) is not active, draining or maintenance")
                }
                return state
            }
        }
        for (option, count) in [("--backend-weights", weights?.count), ("--states", states?.count)] {
            if let count, count != endpoints.count {
                throw .usage("\(option): \(count) given for \(endpoints.count) backends: give one for each")
            }
        }
        if !frontend.endpoint.isAllPorts, let all = endpoints.first(where: \.isAllPorts) {
            throw .usage(
                "--backends: \(all) keeps the client's port, but the frontend has one: give the backend's port")
        }
        if let twice = firstRepeated(endpoints) {
            throw .usage("--backends: \(twice) is given twice: use --backend-weights to give it more connections")
        }
        backends = endpoints.enumerated().map { index, endpoint in
            Backend(endpoint, weight: weights?[index] ?? 1, state: states?[index] ?? .active)
        }
        guard let algorithm = Algorithm(rawValue: texts.algorithm ?? Algorithm.maglev.rawValue) else {
            throw .usage("--algorithm: \(quoted(texts.algorithm ?? "")) is not maglev or random")
        }
        self.algorithm = algorithm
        affinity = try texts.affinity.map { text throws(BalancerError) in try Self.affinity(text) }
        sourceRanges =
            try texts.sourceRanges.map { text throws(BalancerError) in
                try Self.list("--source-ranges", text) { item throws(BalancerError) in
                    guard let range = IPPrefix(item) else {
                        throw .usage(
                            "--source-ranges: \(quoted(item)) is not a prefix such as 10.0.0.0/8 or 2001:db8::/32 (no bits beyond its length)"
                        )
                    }
                    return range
                }
            } ?? []
        if let twice = firstRepeated(sourceRanges) {
            throw .usage("--source-ranges: \(twice) is given twice")
        }
        guard let policy = SourceRangesPolicy(rawValue: texts.sourceRangesPolicy ?? SourceRangesPolicy.allow.rawValue)
        else {
            throw .usage("--source-ranges-policy: \(quoted(texts.sourceRangesPolicy ?? "")) is not allow or deny")
        }
        if policy == .deny, sourceRanges.isEmpty {
            throw .usage("--source-ranges-policy: deny refuses nobody without ranges: add --source-ranges")
        }
        sourceRangesPolicy = policy
        mode = try texts.mode.map { text throws(BalancerError) in
            guard let mode = Mode(rawValue: text) else { throw .usage("--mode: \(quoted(text)) is not snat or dsr") }
            return mode
        }
        maxNewConnections = try texts.maxNewConnections.map { text throws(BalancerError) in
            guard let count = number(text, as: UInt32.self), (1...Self.newConnectionsLimit).contains(count) else {
                throw .usage(
                    "--max-new-connections: \(quoted(text)) is not a number per second from 1 to \(Self.newConnectionsLimit)"
                )
            }
            return count
        }
        healthCheck = try HealthCheck.read(texts.health)
        if let healthCheck, healthCheck.port == nil, let all = endpoints.first(where: \.isAllPorts) {
            throw .usage("--health-check: \(all) has no port that could be asked: add --health-port")
        }
    }

    /// An id from 1 to 65535.
    public static func readID(_ text: String) throws(BalancerError) -> UInt16 {
        guard let id = number(text, as: UInt16.self), id > 0 else {
            throw .usage("--id: \(quoted(text)) is not a number from 1 to 65535")
        }
        return id
    }

    private static func frontend(_ text: String) throws(BalancerError) -> Frontend {
        guard let frontend = Frontend(text) else {
            throw .usage(
                "--frontend: \(quoted(text)) is not an IP address and port, such as 40.1.1.1:80 or 40.1.1.1:53/udp")
        }
        try check(frontend.endpoint, option: "--frontend")
        return frontend
    }

    private static func backend(_ text: String) throws(BalancerError) -> Endpoint {
        guard let endpoint = Endpoint(text) else {
            throw .usage("--backends: \(quoted(text)) is not an IP address and port")
        }
        try check(endpoint, option: "--backends")
        return endpoint
    }

    private static func check(_ endpoint: Endpoint, option: String) throws(BalancerError) {
        guard let fault = endpoint.address.fault else { return }
        throw .usage("\(option): \(endpoint) is \(fault.what): give \(fault.mend)")
    }

    private static func affinity(_ text: String) throws(BalancerError) -> UInt32 {
        if text.isEmpty { return defaultAffinity }
        guard let seconds = number(text, as: UInt32.self), (1...affinityLimit).contains(seconds) else {
            throw .usage("--affinity: \(quoted(text)) is not a number of seconds from 1 to \(affinityLimit)")
        }
        return seconds
    }

    private static func list<Item>(
        _ option: String, _ text: String, _ read: (String) throws(BalancerError) -> Item
    ) throws(BalancerError) -> [Item] {
        let parts = text.split(separator: ",", maxSplits: listLimit, omittingEmptySubsequences: false)
        guard parts.count <= listLimit else {
            throw .usage("\(option): more than \(listLimit) items")
        }
        var items: [Item] = []
        items.reserveCapacity(parts.count)
        for part in parts { items.append(try read(String(part))) }
        return items
    }
}

extension IPAddress {
    /// Why no host that is balanced can have it, and what to give instead.
    var fault: (what: String, mend: String)? {
        let unicast = "a unicast address"
        switch self {
        case .v4(let address):
            if address.isMulticast { return ("a multicast address", unicast) }
            if address.isLoopback { return ("a loopback address", unicast) }
            if address.isUnspecified { return ("not an address of a host", unicast) }
            if address.isReserved { return ("a reserved address", unicast) }
        case .v6(let address):
            if address.isMulticast { return ("a multicast address", unicast) }
            if address.isLoopback { return ("a loopback address", unicast) }
            if address.isUnspecified { return ("not an address of a host", unicast) }
            if address.isLinkLocal { return ("a link-local address", "one that is valid beyond the link") }
            if address.isIPv4Mapped { return ("an IPv4 address in IPv6's form", "it in IPv4's own form") }
        }
        return nil
    }
}

/// The user's words as they are shown back: short, without what a terminal would act on, and in
/// quotes where they are more than one plain word.
public func quoted(_ text: String) -> String {
    let words = printable(text, limit: 60)
    let isPlain = !words.isEmpty && text.unicodeScalars.allSatisfy { $0.isASCII && (33...126).contains($0.value) }
    return isPlain && !words.contains("'") ? words : "'\(words)'"
}

/// Text without what a terminal would act on, such as colours or a change of direction, and not endless.
public func printable(_ text: String, limit: Int) -> String {
    let shown = text.unicodeScalars.prefix(limit).map { scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: "?"
        default: String(scalar)
        }
    }
    return shown.joined() + (text.unicodeScalars.count > limit ? "…" : "")
}

/// Digits alone, within what the type holds.
func number<Number: FixedWidthInteger>(_ text: String, as: Number.Type) -> Number? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
        return nil
    }
    return Number(text)
}

private func firstRepeated<Item: Hashable>(_ items: [Item]) -> Item? {
    var seen: Set<Item> = []
    return items.first { !seen.insert($0).inserted }
}
