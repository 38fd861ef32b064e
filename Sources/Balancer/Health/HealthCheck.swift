/// How a service's backends are asked whether they work.
public struct HealthCheck: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// A TCP connection comes about.
        case tcp
        /// GET of a path is answered with one of these statuses.
        case http(path: String, statuses: HTTPStatuses)
    }

    public var kind: Kind
    /// Nil: the backend's port, in DSR the frontend's.
    public var port: UInt16?
    /// From the begin of one probe to that of the next, 100 to 3,600,000 ms.
    public var interval: Milliseconds
    /// For the whole of a probe, 10 to 60,000 ms.
    public var timeout: Milliseconds
    /// So many probes in a row have to pass before a backend that is down is used again, 1 to 100.
    public var rise: Int
    /// So many in a row have to fail before one that is up is taken out, 1 to 100.
    public var fall: Int
    /// Where fewer of the backends than this share are up, all are used, 0 to 100 percent. Where none is, always.
    public var panicThreshold: Int

    public init(
        _ kind: Kind, port: UInt16? = nil, interval: Milliseconds = Self.defaultInterval,
        timeout: Milliseconds = Self.defaultTimeout, rise: Int = Self.defaultRise, fall: Int = Self.defaultFall,
        panicThreshold: Int = 0
    ) {
        self.kind = kind
        self.port = port
        self.interval = interval
        self.timeout = timeout
        self.rise = rise
        self.fall = fall
        self.panicThreshold = panicThreshold
    }

    public static let defaultInterval = Milliseconds(2000)
    public static let defaultTimeout = Milliseconds(1000)
    public static let defaultRise = 2
    public static let defaultFall = 3
    public static let intervals = Milliseconds(100)...Milliseconds(3_600_000)
    public static let timeouts = Milliseconds(10)...Milliseconds(60_000)
    /// Of rise and fall.
    public static let runs = 1...100
    /// Bytes of a path.
    public static let pathLimit = 256
}

extension HealthCheck {
    /// The port of a backend that is asked; 0 where there is none.
    public func port(of backend: Backend, behind frontend: Frontend, mode: Mode) -> UInt16 {
        if let port { return port }
        // DSR does not translate ports.
        if mode == .dsr, !frontend.endpoint.isAllPorts { return frontend.endpoint.port }
        return backend.endpoint.port
    }
}

/// A time, written `2s`, `500ms`, `1m` or `1h`; a number alone is seconds.
public struct Milliseconds: Hashable, Comparable, Sendable {
    public var count: Int

    public init(_ count: Int) {
        self.count = count
    }

    public var seconds: Double { Double(count) / 1000 }

    public static func < (a: Self, b: Self) -> Bool { a.count < b.count }
}

extension Milliseconds: LosslessStringConvertible {
    public init?(_ text: String) {
        let number = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        let units: [Substring: Double] = ["": 1000, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000]
        guard number.count <= 12, number.first?.isNumber == true, let value = Double(number),
            let unit = units[text.dropFirst(number.count)]
        else { return nil }
        self.init(Int((value * unit).rounded()))
    }

    public var description: String { count % 1000 == 0 ? "\(count / 1000)s" : "\(count)ms" }
}

/// Statuses of HTTP, written `200-399,404`.
public struct HTTPStatuses: Hashable, Sendable {
    public let ranges: [ClosedRange<Int>]

    public static let usual = Self(ranges: [200...399])
    static let limit = 16

    private init(ranges: [ClosedRange<Int>]) {
        self.ranges = ranges
    }

    public func contains(_ status: Int) -> Bool { ranges.contains { $0.contains(status) } }
}

extension HTTPStatuses: LosslessStringConvertible {
    /// 1 to 16 ranges within 100 to 599.
    public init?(_ text: String) {
        var ranges: [ClosedRange<Int>] = []
        let parts = text.split(separator: ",", maxSplits: Self.limit, omittingEmptySubsequences: false)
        guard parts.count <= Self.limit else { return nil }
        for part in parts {
            let ends = part.split(separator: "-", maxSplits: 2, omittingEmptySubsequences: false).map(Self.status)
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last else {
                return nil
            }
            ranges.append(first...last)
        }
        self.init(ranges: ranges)
    }

    private static func status(_ text: Substring) -> Int? {
        guard text.utf8.count == 3, text.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains),
            let status = Int(text), (100...599).contains(status)
        else { return nil }
        return status
    }

    public var description: String {
        ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }
}
