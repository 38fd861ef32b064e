/// Prometheus' text exposition format 0.0.4: each family's head, then its samples.
struct Exposition {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The labels of a sample, as they are written: made once for all samples that have them.
    struct Labels {
        fileprivate let bytes: [UInt8]

        init(_ pairs: KeyValuePairs<String, String> = [:]) { self = Labels(bytes: []).and(pairs) }

        private init(bytes: [UInt8]) { self.bytes = bytes }

        /// With more behind them.
        func and(_ pairs: KeyValuePairs<String, String>) -> Self {
            var bytes = bytes
            for (name, value) in pairs {
                if !bytes.isEmpty { bytes.append(UInt8(ascii: ",")) }
                bytes += name.utf8
                bytes += "=\"".utf8
                Exposition.escape(value, quotes: true, into: &bytes)
                bytes.append(UInt8(ascii: "\""))
            }
            return Self(bytes: bytes)
        }
    }

    private(set) var bytes: [UInt8] = []
    private var name: [UInt8] = []

    /// What follows are samples of this family, all of them.
    mutating func begin(_ family: MetricFamily) {
        name = Array(family.rawValue.utf8)
        bytes += "# HELP \(family.rawValue) ".utf8
        Self.escape(family.help, quotes: false, into: &bytes)
        bytes += "\n# TYPE \(family.rawValue) \(family.kind.rawValue)\n".utf8
    }

    mutating func sample(_ labels: Labels, _ value: UInt64) { sample(labels, text: String(value)) }
    mutating func sample(_ labels: Labels, _ value: Int) { sample(labels, text: String(value)) }

    mutating func sample(_ labels: Labels, _ value: Double) {
        let text =
            if value.isNaN { "NaN" } else if value.isInfinite { value > 0 ? "+Inf" : "-Inf" } else { value.description }
        sample(labels, text: text)
    }

    /// Of a family with one sample.
    mutating func sample(_ value: UInt64) { sample(Labels(), value) }
    mutating func sample(_ value: Int) { sample(Labels(), value) }
    mutating func sample(_ value: Double) { sample(Labels(), value) }

    private mutating func sample(_ labels: Labels, text: String) {
        bytes += name
        if !labels.bytes.isEmpty {
            bytes.append(UInt8(ascii: "{"))
            bytes += labels.bytes
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: " "))
        bytes += text.utf8
        bytes.append(UInt8(ascii: "\n"))
    }

    /// A backslash and the end of a line are escaped everywhere, a quote in a label's value.
    private static func escape(_ text: String, quotes: Bool, into bytes: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            case UInt8(ascii: "\"") where quotes: bytes += "\\\"".utf8
            default: bytes.append(byte)
            }
        }
    }
}
