/// Aligned columns. Where the terminal is too narrow the least important ones are left out.
struct Table {
    struct Column {
        var title: String
        var isNumber = false
        /// Columns with a higher number go first when the terminal is narrow; 0 always stays.
        var importance = 0
    }

    var columns: [Column]
    var rows: [[String]] = []

    static let gap = "  "

    func text(width: Int?) -> String {
        var shown = Array(columns.indices)
        let widths = columns.indices.map { column in
            rows.map { $0[column].count }.reduce(columns[column].title.count, max)
        }
        let total = { (shown: [Int]) in
            shown.map { widths[$0] }.reduce(0, +) + Self.gap.count * max(shown.count - 1, 0)
        }
        while let width, total(shown) > width,
            let least = shown.max(by: { columns[$0].importance < columns[$1].importance }),
            columns[least].importance > 0
        {
            shown.removeAll { $0 == least }
        }
        let lines = ([columns.map(\.title)] + rows).map { row in
            let cells = shown.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return columns[column].isNumber ? padding + row[column] : row[column] + padding
            }
            var line = cells.joined(separator: Self.gap)
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }
        return lines.joined()
    }
}

/// Numbers as people read them.
enum Units {
    /// 1234567 -> "1.2 MB" (powers of ten, as network engineers count).
    static func bytes(_ count: UInt64) -> String {
        if count < 1000 { return "\(count) B" }
        var value = Double(count)
        var unit = -1
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"]
        while value >= 999.95, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// 3725 -> "1h02m05s".
    static func seconds(_ count: UInt64) -> String {
        let two = { (number: UInt64) in number < 10 ? "0\(number)" : "\(number)" }
        let (days, hours, minutes, seconds) = (count / 86400, count / 3600 % 24, count / 60 % 60, count % 60)
        if days > 0 { return "\(days)d\(two(hours))h" }
        if hours > 0 { return "\(hours)h\(two(minutes))m\(two(seconds))s" }
        if minutes > 0 { return "\(minutes)m\(two(seconds))s" }
        return "\(seconds)s"
    }

    static func memory(_ count: Int) -> String {
        count >= 1 << 20 ? "\(count >> 20) MiB" : "\(count >> 10) KiB"
    }
}
