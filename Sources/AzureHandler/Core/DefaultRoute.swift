/// The device that packets to anywhere leave by.
enum DefaultRoute {
    /// `table`: /proc/net/route, whose addresses are in the machine's byte order. Of several that with the least metric.
    static func device(_ table: String) -> String? {
        let routes = table.split(separator: "\n").dropFirst().compactMap { line -> (device: String, metric: Int)? in
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 8, fields[1] == "00000000", fields[7] == "00000000", let metric = Int(fields[6])
            else { return nil }
            return (String(fields[0]), metric)
        }
        return routes.min { $0.metric < $1.metric }?.device
    }

    /// `table`: /proc/net/ipv6_route, for a VM that has no IPv4.
    static func device6(_ table: String) -> String? {
        let routes = table.split(separator: "\n").compactMap { line -> (device: String, metric: UInt32)? in
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 10, fields[1] == "00", fields[0].allSatisfy({ $0 == "0" }), fields[9] != "lo",
                let metric = UInt32(fields[5], radix: 16)
            else { return nil }
            return (String(fields[9]), metric)
        }
        return routes.min { $0.metric < $1.metric }?.device
    }
}
