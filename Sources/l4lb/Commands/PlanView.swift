import API

/// A plan as people read it.
enum PlanView {
    static func lines(_ plan: PlanReport) -> [String] {
        guard plan.changed else { return ["no change"] }
        var lines: [String] = []
        if let before = plan.modeBefore, let after = plan.modeAfter { lines.append("~ mode: \(before) -> \(after)") }
        for service in plan.services { lines += self.lines(service) }
        let counts = [
            (plan.created, "to create"), (plan.replaced, "to replace"), (plan.removed, "to remove"),
            (plan.adopted, "to take over"), (plan.unchanged, "unchanged"),
        ]
        lines.append(counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", "))
        lines.append("new connections that go to another backend: \(percent(plan.movedPercent))")
        lines.append(
            "living connections: \(plan.connections), of which \(plan.connectionsLeaving) go on with a backend that leaves until they end, \(plan.connectionsRechosen) choose another"
        )
        return lines
    }

    private static func lines(_ service: PlanReport.ServiceEntry) -> [String] {
        let name = "service \(service.id)  \(service.frontend)"
        let backends = "\(service.backends) backend\(service.backends == 1 ? "" : "s")"
        switch service.change {
        case .created: return ["+ \(name)  \(backends)"]
        case .removed: return ["- \(name)  \(backends), \(count(service.connections)) until they end"]
        case .adopted: return ["= \(name)  is the file's from now on"]
        case .replaced:
            var lines = ["~ \(name)"]
            for difference in service.differences {
                switch (difference.before, difference.after) {
                case (nil, let after?) where difference.field == "backends": lines.append("    + \(after)")
                case (let before?, nil) where difference.field == "backends": lines.append("    - \(before)")
                case (let before?, let after?) where difference.field == "backends":
                    lines.append("    ~ \(before) -> \(after)")
                case (let before, let after):
                    lines.append("    ~ \(difference.field): \(before ?? "none") -> \(after ?? "none")")
                }
            }
            lines.append(
                "    \(percent(service.movedPercent ?? 0)) of new connections go to another backend; \(count(service.connections)): \(service.connectionsLeaving) on backends that leave, \(service.connectionsRechosen) choose another"
            )
            return lines
        }
    }

    private static func count(_ connections: Int) -> String {
        "\(connections) living connection\(connections == 1 ? "" : "s")"
    }

    private static func percent(_ value: Double) -> String { "\(value) %" }
}
