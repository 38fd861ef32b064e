/// What the doctor says of one thing: a line.
public struct Diagnosis: Hashable, Sendable {
    public enum Level: String, Hashable, Sendable, CaseIterable {
        case ok
        /// It works, but not for all, or not for long.
        case warning
        /// It does not work.
        case error
        /// It cannot be told from here.
        case unknown
    }

    public enum Check: String, Hashable, Sendable, CaseIterable {
        case kernel, rights, jit, bpffs, clang
        case device
        case xdpMode = "xdp_mode"
        case holder, offloads, peer, queues, mtu
        case reversePath = "rp_filter"
        case forwarding = "ip_forward"
        case snatPorts = "snat_ports"
        case frontend, backend
    }

    public var level: Level
    public var check: Check
    /// What it is about and what is the matter with it.
    public var text: String
    /// What to do; nil where nothing has to be done.
    public var mend: String?

    public init(_ level: Level, _ check: Check, _ text: String, mend: String? = nil) {
        self.level = level
        self.check = check
        self.text = text
        self.mend = mend
    }

    public var line: String { mend.map { "\(text): \($0)" } ?? text }
}

extension [Diagnosis] {
    /// Lines of one kind that are shown; the rest becomes a number.
    static let shownOfAKind = 20

    /// A thousand backends with the same fault do not hide the rest.
    func shortened() -> [Diagnosis] {
        var shown: [Diagnosis] = []
        var counts: [Diagnosis.Check: [Diagnosis.Level: Int]] = [:]
        for diagnosis in self {
            let count = counts[diagnosis.check, default: [:]][diagnosis.level, default: 0] + 1
            counts[diagnosis.check, default: [:]][diagnosis.level] = count
            if count <= Self.shownOfAKind { shown.append(diagnosis) }
        }
        for check in Diagnosis.Check.allCases {
            for level in Diagnosis.Level.allCases {
                let more = (counts[check]?[level] ?? 0) - Self.shownOfAKind
                if more > 0 { shown.append(Diagnosis(level, check, "\(more) more of this kind")) }
            }
        }
        return shown
    }
}
