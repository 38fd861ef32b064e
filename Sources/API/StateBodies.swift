import Balancer
import Foundation

struct ModeBody: Codable {
    var mode: String

    enum CodingKeys: String, CodingKey, CaseIterable {
        case mode
    }

    init(_ mode: Mode) { self.init(mode.rawValue) }

    init(_ mode: String) {
        self.mode = mode
    }

    init(from decoder: any Decoder) throws {
        mode = try decoder.fields(CodingKeys.self).decode(String.self, forKey: .mode)
    }

    func value() throws(APIError) -> Mode {
        guard let mode = Mode(rawValue: mode) else {
            throw APIError(.invalid, field: "mode", "\(quoted(mode)) is not snat or dsr")
        }
        return mode
    }
}

/// An operator's state of a backend.
struct BackendStateBody: Codable {
    /// `active` undoes what was set before.
    var state: String
    /// Nil: all services that have the backend.
    var service: UInt16?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case state, service
    }

    init(_ state: BackendState, service: UInt16?) {
        self.state = state.rawValue
        self.service = service
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(CodingKeys.self)
        state = try fields.decode(String.self, forKey: .state)
        service = try fields.number(.service)
    }

    func value() throws(APIError) -> BackendState? {
        guard let state = BackendState(rawValue: state) else {
            throw APIError(.invalid, "state: \(quoted(state)) is not active, draining or maintenance")
        }
        return state == .active ? nil : state
    }

    func id() throws(APIError) -> UInt16? {
        guard service != 0 else { throw APIError(.invalid, "service: 0 is not a number from 1 to 65535") }
        return service
    }
}
