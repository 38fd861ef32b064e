/// An IPv6 address (RFC 4291).
public struct IPv6Address: Hashable, Comparable, Sendable {
    /// The first and the last eight bytes as numbers in host byte order.
    public var high, low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }

    /// ff00::/8.
    public var isMulticast: Bool { high >> 56 == 0xff }
    /// ::1.
    public var isLoopback: Bool { high == 0 && low == 1 }
    /// ::, the address of nobody.
    public var isUnspecified: Bool { high == 0 && low == 0 }
    /// fe80::/10: means something on one link only.
    public var isLinkLocal: Bool { high >> 54 == 0xfe80 >> 6 }
    /// ::ffff:0:0/96: an IPv4 address in IPv6's clothes, never in a packet.
    public var isIPv4Mapped: Bool { high == 0 && low >> 32 == 0xffff }

    var groups: [UInt16] {
        [high, low].flatMap { half in
            stride(from: 48, through: 0, by: -16).map { UInt16(truncatingIfNeeded: half >> UInt64($0)) }
        }
    }
}

extension IPv6Address: LosslessStringConvertible {
    /// The text forms of RFC 4291 section 2.2, without a zone.
    public init?(_ text: String) {
        guard text.utf8.count <= 45 else { return nil }
        var head: [UInt16] = []
        var tail: [UInt16] = []
        let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
        guard halves.count <= 2 else { return nil }
        guard let first = Self.groups(of: halves[0], last: halves.count == 1) else { return nil }
        head = first
        if halves.count == 2 {
            guard let second = Self.groups(of: halves[1], last: true) else { return nil }
            tail = second
            guard head.count + tail.count <= 7 else { return nil }
        } else {
            guard head.count == 8 else { return nil }
        }
        let all = head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
        let join = { (part: ArraySlice<UInt16>) in part.reduce(UInt64(0)) { $0 << 16 | UInt64($1) } }
        self.init(high: join(all[..<4]), low: join(all[4...]))
    }

    private static func groups(of text: Substring, last: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        for (index, part) in parts.enumerated() {
            if last, index == parts.count - 1, part.contains(".") {
                guard let v4 = IPv4Address(String(part)) else { return nil }
                groups += [UInt16(v4.value >> 16), UInt16(v4.value & 0xffff)]
            } else {
                guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(\.isHexDigit),
                    let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    /// The canonical form of RFC 5952: lower case, the longest run of zeros shortened.
    public var description: String {
        let groups = groups
        var best = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index >= 2, end - index > best.count { best = index..<end }
            index = max(end, index + 1)
        }
        let hex = { (part: ArraySlice<UInt16>) in
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if best.isEmpty { return hex(groups[...]) }
        return hex(groups[..<best.lowerBound]) + "::" + hex(groups[best.upperBound...])
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}
