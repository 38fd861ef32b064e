import CDataplane

/// What the program says of a packet that it looks at without writing anything down: `enum l4lb_finding`.
public struct Finding: Equatable, Sendable {
    public enum Verdict: Equatable, Sendable {
        /// Left to the host, as nothing of ours.
        case pass
        /// Sent out of the device that it came in by, or of another one of ours.
        case forward, redirect
        /// Nil where the program gave up, which does not happen while it is true to its maps.
        case drop(DropReason?)
    }

    public var verdict: Verdict
    /// The place of the backend with which the packet would begin a connection.
    public var newBackend: UInt16?

    public init(_ value: UInt32) {
        let detail = value >> L4LB_FINDING_SHIFT.rawValue
        // enum xdp_action of the kernel.
        switch value & L4LB_FINDING_ACTION.rawValue {
        case 2: verdict = .pass
        case 3: verdict = .forward
        case 4: verdict = .redirect
        default: verdict = .drop(DropReason.allCases.first { $0.counter == detail && value & 7 == 1 })
        }
        newBackend = value & L4LB_FINDING_NEW.rawValue != 0 ? UInt16(truncatingIfNeeded: detail) : nil
    }
}
