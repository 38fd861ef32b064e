import CDataplane

/// An entry of the index over a flow table, which names a slot. See `l4lb_bucket`.
public struct IndexEntry: Equatable, Sendable {
    /// 0 is no entry: tags begin at 1.
    public let rawValue: UInt32

    public init?(rawValue: UInt32) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }

    /// `hash`: of the flow that lies in the slot.
    public init(slot: Int, hash: UInt32) {
        rawValue = UInt32(slot) | Self.tag(hash) << UInt32(L4LB_ENTRY_SLOT_BITS)
    }

    public var slot: Int { Int(rawValue & (1 << UInt32(L4LB_ENTRY_SLOT_BITS) - 1)) }

    /// Whether a flow with this hash may be the one that is named.
    public func matches(hash: UInt32) -> Bool { rawValue >> UInt32(L4LB_ENTRY_SLOT_BITS) == Self.tag(hash) }

    private static func tag(_ hash: UInt32) -> UInt32 { max(hash >> UInt32(L4LB_ENTRY_SLOT_BITS), 1) }
}
