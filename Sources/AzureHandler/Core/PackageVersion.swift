/// A package's version: the first three numbers are the product's, a fourth is the handler's own.
struct PackageVersion: Comparable, Sendable, CustomStringConvertible {
    /// As it is written, which names folders.
    let description: String
    private let numbers: [Int]

    /// Three or four numbers, of which a missing fourth is 0.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (3...4).contains(parts.count) else { return nil }
        var numbers: [Int] = []
        for part in parts {
            guard (1...9).contains(part.utf8.count), part.allSatisfy({ $0.isASCII && $0.isNumber }),
                part == "0" || part.first != "0", let number = Int(part)
            else { return nil }
            numbers.append(number)
        }
        description = text
        self.numbers = numbers + Array(repeating: 0, count: 4 - numbers.count)
    }

    /// X.Y.Z
    var product: String { numbers.prefix(3).map(String.init).joined(separator: ".") }

    static func == (one: Self, other: Self) -> Bool { one.numbers == other.numbers }

    static func < (one: Self, other: Self) -> Bool { one.numbers.lexicographicallyPrecedes(other.numbers) }
}
