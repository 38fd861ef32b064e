/// What one probe found.
public enum ProbeOutcome: Hashable, Sendable {
    case passed
    /// With the reason, as the user reads it.
    case failed(String)
}

/// What the probes of one backend of one service have found so far.
public struct BackendHealth: Hashable, Sendable {
    public enum Verdict: String, Hashable, Sendable, CaseIterable {
        /// No probe has ended yet: it counts as up, and the first result decides.
        case checking
        case up
        case down
    }

    public private(set) var verdict: Verdict
    /// Why the last probe failed; nil where it is up and the last one passed.
    public private(set) var reason: String?
    /// Probes in a row that speak against the verdict.
    private var against = 0

    public init(_ verdict: Verdict = .checking, reason: String? = nil) {
        self.verdict = verdict
        self.reason = reason
    }

    /// True where the verdict has changed.
    public mutating func note(_ outcome: ProbeOutcome, rise: Int, fall: Int) -> Bool {
        let before = verdict
        switch outcome {
        case .passed:
            against = verdict == .down ? against + 1 : 0
            if verdict != .down || against >= rise { settle(.up) }
        case .failed(let why):
            against = verdict == .up ? against + 1 : 0
            if verdict != .up || against >= fall { settle(.down) }
            reason = why
        }
        return verdict != before
    }

    private mutating func settle(_ new: Verdict) {
        if new != verdict { against = 0 }
        verdict = new
        if new == .up { reason = nil }
    }
}
