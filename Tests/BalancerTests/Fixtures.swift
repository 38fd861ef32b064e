import Addresses
import Balancer

extension IPv4Address: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(text)! }
}

extension IPAddress: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(text)! }
}

extension Endpoint: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(text)! }
}

extension Frontend: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(text)! }
}

/// A request whose words are right.
func request(
    _ frontend: String, _ backends: String = "20.1.1.10:80,20.1.1.20:80", id: String? = nil, weights: String? = nil,
    states: String? = nil, algorithm: String? = nil, affinity: String? = nil, sourceRanges: String? = nil,
    policy: String? = nil, mode: String? = nil, maxNewConnections: String? = nil,
    health: HealthCheck.Texts = .init()
) throws -> ServiceRequest {
    try ServiceRequest(
        .init(
            id: id, frontend: frontend, backends: backends, weights: weights, states: states, algorithm: algorithm,
            affinity: affinity, sourceRanges: sourceRanges, sourceRangesPolicy: policy, mode: mode,
            maxNewConnections: maxNewConnections, health: health))
}

/// The error that a request is refused with; nil where it is not.
func refusal(_ body: () throws -> Void) -> BalancerError? {
    do {
        try body()
        return nil
    } catch {
        return error as? BalancerError
    }
}

/// The same numbers on every run (SplitMix64).
struct FixedRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var x = state
        x = (x ^ x >> 30) &* 0xbf58_476d_1ce4_e5b9
        x = (x ^ x >> 27) &* 0x94d0_49bb_1331_11eb
        return x ^ x >> 31
    }
}
