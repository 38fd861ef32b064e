import Foundation

/// JSON as the API and `-o json` write it: keys in snake_case and sorted, addresses as the user writes them.
public enum JSON {
    public enum Layout: Sendable {
        case pretty
        /// For what comes one by one.
        case oneLine
    }

    public static func text(_ value: some Encodable, _ layout: Layout = .pretty) -> String {
        String(decoding: data(value, layout), as: UTF8.self)
    }

    static func data(_ value: some Encodable, _ layout: Layout = .pretty) -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if layout == .pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        // Reports are made of texts, numbers and nulls, which can always be written.
        return (try? encoder.encode(value)) ?? Data("{}".utf8)
    }

    /// Reads a report. What a newer agent has added is passed over.
    static func report<Report: Decodable>(_ type: Report.Type, from data: Data) throws -> Report {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: data)
    }
}

/// A missing value is shown as null, not left out.
// swift-format-ignore: UseSynthesizedInitializer
@propertyWrapper
public struct ExplicitNull<Value: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
    public var wrappedValue: Value?

    public init(wrappedValue: Value?) {
        self.wrappedValue = wrappedValue
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}
