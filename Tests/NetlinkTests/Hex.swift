/// The bytes of an annotated listing: hexadecimal digits, with `#` up to the end of the line as a remark.
func hex(_ listing: String) -> [UInt8] {
    let digits = listing.split(separator: "\n").flatMap { line in
        line.prefix { $0 != "#" }.compactMap { $0.isWhitespace ? nil : UInt8($0.hexDigitValue!) }
    }
    precondition(digits.count.isMultiple(of: 2))
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}
