/// FNV-1a, 64 bits: it finds what a disk or an editor has done, and tells versions apart; it is no guard against an
/// enemy.
struct Checksum: Equatable {
    private var value: UInt64 = 0xcbf2_9ce4_8422_2325

    init() {}

    init(_ bytes: some Sequence<UInt8>) {
        add(bytes)
    }

    mutating func add(_ bytes: some Sequence<UInt8>) {
        // Much faster than one by one through Data's iterator.
        value = bytes.withContiguousStorageIfAvailable(adding) ?? adding(bytes)
    }

    private func adding(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(value) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }

    /// Hexadecimal.
    var text: String { String(value, radix: 16) }
}
