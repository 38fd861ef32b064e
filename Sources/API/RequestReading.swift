import Balancer
import Foundation

extension APIError {
    /// Reads a request's body; what is wrong is named by its field.
    static func read<Body: Decodable>(_ type: Body.Type, from data: Data) throws(APIError) -> Body {
        guard !data.isEmpty else { throw APIError(.invalid, "the body is empty", mend: "send a JSON object") }
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            let (text, path) = text(error)
            throw APIError(.invalid, text, field: path.isEmpty ? nil : name(path))
        } catch {
            throw APIError(.invalid, "the body is not JSON: \(error)")
        }
    }

    private static func text(_ error: DecodingError) -> (String, path: [any CodingKey]) {
        switch error {
        case .keyNotFound(let key, let context):
            let path = context.codingPath + [key]
            return ("\(name(path)) is missing", path)
        case .typeMismatch(let type, let context):
            return ("\(name(context.codingPath)) is not \(noun(type))", context.codingPath)
        case .valueNotFound(let type, let context):
            return ("\(name(context.codingPath)) is null and not \(noun(type))", context.codingPath)
        case .dataCorrupted(let context) where context.underlyingError is FieldFault:
            return ("\(name(context.codingPath)) \(context.debugDescription)", context.codingPath)
        default:
            return ("the body is not JSON", [])
        }
    }

    /// `backends[3].weight`
    static func name(_ path: [any CodingKey]) -> String {
        let name = path.reduce("") { name, key in
            key.intValue.map { "\(name)[\($0)]" } ?? (name.isEmpty ? "" : "\(name).") + quoted(key.stringValue)
        }
        return name.isEmpty ? "the body" : name
    }

    private static func noun(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "a text"
        case is Double.Type: "a number"
        case is any Collection.Type where !(type is any KeyedEntries.Type): "a list"
        default: "an object"
        }
    }
}

/// A dictionary is a collection too, but no list.
private protocol KeyedEntries {}
extension Dictionary: KeyedEntries {}

/// What the decoder does not know of; the description says it.
private struct FieldFault: Error {}

private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension Decoder {
    /// The fields of an object that has no others.
    func fields<Keys: CodingKey & CaseIterable>(_ keys: Keys.Type) throws -> KeyedDecodingContainer<Keys> {
        let known = Set(Keys.allCases.map(\.stringValue))
        let others = try container(keyedBy: AnyKey.self).allKeys.filter { !known.contains($0.stringValue) }
        if let other = others.min(by: { $0.stringValue < $1.stringValue }) {
            let list = Keys.allCases.map(\.stringValue).joined(separator: ", ")
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath + [other], debugDescription: "is no field: there are \(list)",
                    underlyingError: FieldFault()))
        }
        return try container(keyedBy: keys)
    }
}

extension KeyedDecodingContainer {
    /// A number where one is given. The decoder's own integers do not say which field is out of its range.
    func number<Number: FixedWidthInteger>(_ key: Key) throws -> Number? {
        guard let value = try decodeIfPresent(Double.self, forKey: key) else { return nil }
        guard let number = Number(exactly: value) else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath + [key],
                    debugDescription: "is not a whole number from \(Number.min) to \(Number.max)",
                    underlyingError: FieldFault()))
        }
        return number
    }
    /// A list of texts where one is given. The agent's flags have it with commas between, so that no text may have one.
    func list(_ key: Key) throws -> [String]? {
        let texts = try decodeIfPresent([String].self, forKey: key)
        if let text = texts?.first(where: { $0.contains(",") }) {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath + [key], debugDescription: "has \(quoted(text)): give each by itself",
                    underlyingError: FieldFault()))
        }
        return texts
    }
}
