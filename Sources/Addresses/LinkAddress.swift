/// A 48-bit Ethernet address.
public struct LinkAddress: Hashable, Comparable, Sendable {
    /// The six octets as a number, the first one highest: 02:00:00:00:00:01 is 0x020000000001.
    public var value: UInt64

    public init(value: UInt64) {
        self.value = value & 0xffff_ffff_ffff
    }

    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 6 else { return nil }
        self.init(value: octets.reduce(0) { $0 << 8 | UInt64($1) })
    }

    public static func < (a: Self, b: Self) -> Bool { a.value < b.value }

    public var octets: [UInt8] {
        stride(from: 40, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt64($0)) }
    }

    public static let zero = LinkAddress(value: 0)
}

extension LinkAddress: LosslessStringConvertible {
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let octets = parts.compactMap { part in
            // The standard library's numbers may have a sign.
            part.utf8.count == 2 && part.allSatisfy(\.isHexDigit) ? UInt8(part, radix: 16) : nil
        }
        guard parts.count == 6, octets.count == 6 else { return nil }
        self.init(octets: octets)
    }

    public var description: String {
        octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
