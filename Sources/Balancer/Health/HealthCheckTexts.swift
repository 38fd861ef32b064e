extension HealthCheck {
    /// The options' texts, named as the user writes them.
    public struct Texts: Hashable, Sendable {
        /// `none`, `tcp`, `http` or `http:/path`.
        public var check: String?
        public var port: String?
        public var status: String?
        public var interval: String?
        public var timeout: String?
        public var rise: String?
        public var fall: String?
        public var panicThreshold: String?

        public init(
            check: String? = nil, port: String? = nil, status: String? = nil, interval: String? = nil,
            timeout: String? = nil, rise: String? = nil, fall: String? = nil, panicThreshold: String? = nil
        ) {
            self.check = check
            self.port = port
            self.status = status
            self.interval = interval
            self.timeout = timeout
            self.rise = rise
            self.fall = fall
            self.panicThreshold = panicThreshold
        }

        /// The texts of a check: what they are read as is that check again.
        public init(_ check: HealthCheck) {
            switch check.kind {
            case .tcp: self.check = "tcp"
            case .http(let path, let statuses):
                self.check = "http:\(path)"
                status = statuses.description
            }
            port = check.port.map(String.init)
            interval = check.interval.description
            timeout = check.timeout.description
            rise = String(check.rise)
            fall = String(check.fall)
            panicThreshold = String(check.panicThreshold)
        }

        /// The first option that says something about a check.
        fileprivate var detail: String? {
            [
                ("--health-port", port), ("--health-status", status), ("--health-interval", interval),
                ("--health-timeout", timeout), ("--health-rise", rise), ("--health-fall", fall),
                ("--health-panic-threshold", panicThreshold),
            ].first { $0.1 != nil }?.0
        }
    }

    /// Nil: backends are not checked.
    static func read(_ texts: Texts) throws(BalancerError) -> HealthCheck? {
        let words = texts.check ?? "none"
        guard words != "none" else {
            if let detail = texts.detail {
                throw .usage("\(detail): there is no health check: add --health-check=tcp or --health-check=http:/PATH")
            }
            return nil
        }
        var check = HealthCheck(try kind(words, status: texts.status))
        check.port = try texts.port.map { text throws(BalancerError) in
            UInt16(try count("--health-port", text, 1...65_535, "a port"))
        }
        if let text = texts.interval { check.interval = try time("--health-interval", text, intervals) }
        if let text = texts.timeout { check.timeout = try time("--health-timeout", text, timeouts) }
        if let text = texts.rise { check.rise = try count("--health-rise", text, runs, "a number") }
        if let text = texts.fall { check.fall = try count("--health-fall", text, runs, "a number") }
        if let text = texts.panicThreshold {
            check.panicThreshold = try count("--health-panic-threshold", text, 0...100, "a percentage")
        }
        return check
    }

    private static func kind(_ words: String, status: String?) throws(BalancerError) -> Kind {
        if words == "tcp" {
            if status != nil { throw .usage("--health-status: TCP has none: use --health-check=http:/PATH") }
            return .tcp
        }
        let parts = words.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts[0] == "http" else {
            throw .usage("--health-check: \(quoted(words)) is not none, tcp, http or http:/PATH")
        }
        let path = parts.count == 2 ? String(parts[1]) : "/"
        guard path.hasPrefix("/"), path.utf8.count <= pathLimit,
            path.utf8.allSatisfy((UInt8(ascii: "!")...UInt8(ascii: "~")).contains)
        else {
            throw .usage(
                "--health-check: \(quoted(path)) is not a path such as /health, of \(pathLimit) plain characters at most"
            )
        }
        let statuses = status ?? HTTPStatuses.usual.description
        guard let statuses = HTTPStatuses(statuses) else {
            throw .usage("--health-status: \(quoted(statuses)) is not a list of statuses such as 200 or 200-299,304")
        }
        return .http(path: path, statuses: statuses)
    }

    private static func time(
        _ option: String, _ text: String, _ range: ClosedRange<Milliseconds>
    ) throws(BalancerError) -> Milliseconds {
        guard let time = Milliseconds(text), range.contains(time) else {
            throw .usage(
                "\(option): \(quoted(text)) is not a time such as 2s or 500ms, from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return time
    }

    private static func count(
        _ option: String, _ text: String, _ range: ClosedRange<Int>, _ noun: String
    ) throws(BalancerError) -> Int {
        guard let count = number(text, as: Int.self), range.contains(count) else {
            throw .usage("\(option): \(quoted(text)) is not \(noun) from \(range.lowerBound) to \(range.upperBound)")
        }
        return count
    }
}
