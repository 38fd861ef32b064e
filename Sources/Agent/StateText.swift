import Balancer
import Foundation

/// A saved state as the state file has it: a line of JSON with all but the services, then one for each service, so
/// that a change of one writes one anew.
struct StateText: Sendable {
    private struct Line {
        var service: Service
        var places: [UInt16?]
        var text: Data
    }

    private var lines: [UInt16: Line] = [:]

    /// The text of what there is now.
    mutating func text(
        of state: DesiredState, indices: BackendIndices, serviceIDs: [Frontend: UInt16],
        down: [BackendKey: String] = [:]
    ) throws -> Data {
        var fresh: [UInt16: Line] = [:]
        fresh.reserveCapacity(state.services.count)
        var body = Data()
        var placed = 0
        for service in state.sortedServices {
            let places = indices.places(of: service)
            placed += places.count { $0 != nil }
            var line = lines[service.id] ?? Line(service: service, places: [], text: Data())
            if line.text.isEmpty || line.service != service || line.places != places {
                line = Line(
                    service: service, places: places,
                    text: try Self.json(SavedState.SavedPart(service, places: places)))
            }
            fresh[service.id] = line
            body.append(line.text)
        }
        lines = fresh
        let departed = placed == indices.count ? [:] : indices.departed(from: state)
        return try Self.json(SavedState(rest: state, departed: departed, serviceIDs: serviceIDs, down: down)) + body
    }

    /// Nil where it means nothing.
    static func read(_ text: Data) -> SavedState? {
        let decoder = JSONDecoder()
        let lines = text.split(separator: UInt8(ascii: "\n"))
        guard let first = lines.first, var state = try? decoder.decode(SavedState.self, from: first) else { return nil }
        for line in lines.dropFirst() {
            guard let part = try? decoder.decode(SavedState.SavedPart.self, from: line) else { return nil }
            state.add(part)
        }
        return state
    }

    private static func json(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value) + [UInt8(ascii: "\n")]
    }
}
