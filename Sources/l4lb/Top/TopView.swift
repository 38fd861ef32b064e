/// The layout of `top`: a heading, and a table of services with their backends below each.
enum TopView {
    /// Services that the filter leaves, the largest first, with their backends in the same order.
    static func sorted(_ services: [TopService], _ control: TopControl) -> [TopService] {
        let weight = control.order.weight
        let filter = control.filter.lowercased()
        let kept = services.compactMap { service -> TopService? in
            var service = service
            if !filter.isEmpty, !"\(service.id) \(service.frontend) \(service.mode)".lowercased().contains(filter) {
                service.backends.removeAll { !"\($0.backend) \($0.state)".lowercased().contains(filter) }
                if service.backends.isEmpty { return nil }
            }
            service.backends = service.backends.enumerated().sorted {
                (weight($1.element.traffic), $0.offset) < (weight($0.element.traffic), $1.offset)
            }.map(\.element)
            return service
        }
        return kept.sorted { (weight($1.traffic), $0.id) < (weight($0.traffic), $1.id) }
    }

    static func rows(_ services: [TopService], showsBackends: Bool) -> [[String]] {
        services.flatMap { service in
            let head = cells("\(service.id)", service.frontend, service.mode, service.traffic, service.dropsPerSecond)
            guard showsBackends else { return [head] }
            return [head] + service.backends.map { cells("", "  \($0.backend)", $0.state, $0.traffic, nil) }
        }
    }

    private static func cells(
        _ id: String, _ name: String, _ state: String, _ traffic: TrafficRates, _ drops: Double?
    ) -> [String] {
        [
            id, name, state, "\(traffic.connections)", Units.rate(traffic.newPerSecond),
            Units.rate(traffic.packetsPerSecond), Units.rate(traffic.bitsPerSecond),
            Units.rate(traffic.replyPacketsPerSecond), Units.rate(traffic.replyBitsPerSecond),
            id.isEmpty ? "" : Units.rate(drops),
        ]
    }

    static func table(_ rows: [[String]]) -> Table {
        var table = Table(columns: [
            .init(title: "ID", isNumber: true), .init(title: "FRONTEND / BACKEND"),
            .init(title: "STATE", importance: 2), .init(title: "CONNS", isNumber: true),
            .init(title: "NEW/S", isNumber: true), .init(title: "PKT/S", isNumber: true),
            .init(title: "BIT/S", isNumber: true, importance: 1),
            .init(title: "REPLY PKT/S", isNumber: true, importance: 4),
            .init(title: "REPLY BIT/S", isNumber: true, importance: 3),
            .init(title: "DROP/S", isNumber: true, importance: 5),
        ])
        table.rows = rows
        return table
    }

    static func heading(_ services: [TopService]) -> String {
        func sum(_ value: (TrafficRates) -> Double?) -> String {
            let known = services.compactMap { value($0.traffic) }
            return Units.rate(known.isEmpty ? nil : known.reduce(0, +))
        }
        let connections = services.map(\.traffic.connections).reduce(0, +)
        let backends = services.map(\.backends.count).reduce(0, +)
        return
            "l4lb top: \(services.count) services, \(backends) backends, \(connections) connections, \(sum(\.newPerSecond)) new/s, \(sum(\.bitsPerSecond)) bit/s in, \(sum(\.replyBitsPerSecond)) bit/s out"
    }

    /// The whole screen; `control.offset` becomes one that there is.
    static func screen(
        _ services: [TopService], _ control: inout TopControl, columns: Int, rows: Int
    ) -> (lines: [String], title: Int) {
        let shown = sorted(services, control)
        let all = self.rows(shown, showsBackends: control.showsBackends)
        let page = page(rows: rows)
        control.offset = max(min(control.offset, all.count - page), 0)
        let window = Array(all.dropFirst(control.offset).prefix(page))
        let body = table(window).text(width: columns).split(separator: "\n", omittingEmptySubsequences: false)
        var lines = [heading(shown)] + body.prefix(1 + window.count).map(String.init)
        // Highlighted to the right end.
        lines[1] += String(repeating: " ", count: max(columns - lines[1].count, 0))
        let hidden = all.count - window.count
        let place = hidden > 0 ? "rows \(control.offset + 1)-\(control.offset + window.count) of \(all.count)  " : ""
        let filter = control.filter.isEmpty ? "" : "filter: \(control.filter)  "
        lines.append(
            control.isTypingFilter
                ? "filter: \(control.filter)_"
                : "\(place)\(filter)by \(control.order.name)  q ends, c n p b sort, / filters, t backends, arrows scroll"
        )
        return (lines.prefix(max(rows, 2)).map { String($0.prefix(columns)) }, 1)
    }

    /// Rows of the table that a screen has room for: beside them there are the heading, the titles and the last line.
    static func page(rows: Int) -> Int { max(rows - 3, 1) }
}

extension Units {
    /// 1234567 -> "1.2M"; below 10 with a tenth; "-" where it is not known.
    static func rate(_ number: Double?) -> String {
        guard let number, number.isFinite, number >= 0 else { return "-" }
        var value = number
        var unit = -1
        let units = ["k", "M", "G", "T", "P"]
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        let suffix = unit < 0 ? "" : units[unit]
        if tenths == 0 { return "0" }
        return tenths >= 100 ? "\(Int(value.rounded()))\(suffix)" : "\(tenths / 10).\(tenths % 10)\(suffix)"
    }
}
