import Addresses
import CDataplane

/// One backend of one frontend: what an entry of the map `backends` stands for.
public struct BackendKey: Hashable, Sendable {
    public var frontend: Frontend
    public var backend: Endpoint

    public init(frontend: Frontend, backend: Endpoint) {
        self.frontend = frontend
        self.backend = backend
    }
}

/// Gives each backend its place in the map `backends`. A place stays with its backend until no
/// connection names it any more, as connections hold the number.
public struct BackendIndices: Equatable, Sendable {
    private var indices: [BackendKey: UInt16] = [:]
    private var keys: [UInt16: BackendKey] = [:]
    /// Where the search for a free place goes on: places that were given back rest the longest.
    private var next: UInt16 = 0
    public let capacity: Int

    public init(capacity: Int) {
        self.capacity = capacity
    }

    /// Places that were given out before; nil where one does not exist, or two backends have the same.
    public init?(capacity: Int, places: [BackendKey: UInt16]) {
        self.capacity = capacity
        for (key, index) in places {
            guard Int(index) < capacity, keys.updateValue(key, forKey: index) == nil else { return nil }
        }
        indices = places
    }

    public subscript(key: BackendKey) -> UInt16? { indices[key] }
    public func key(at index: UInt16) -> BackendKey? { keys[index] }
    public var count: Int { indices.count }
    public var all: [BackendKey: UInt16] { indices }

    /// Those of a service's backends, in their order.
    public func places(of service: Service) -> [UInt16?] {
        service.backends.map { indices[BackendKey(frontend: service.frontend, backend: $0.endpoint)] }
    }

    /// The places of backends that have left their service.
    public func departed(from state: DesiredState) -> [BackendKey: UInt16] {
        let present = state.services.values.flatMap { service in
            service.backends.map { BackendKey(frontend: service.frontend, backend: $0.endpoint) }
        }
        let current = Set(present)
        return indices.filter { !current.contains($0.key) }
    }

    /// Nil where every place is taken, by backends that have left but still have connections too.
    public mutating func index(for key: BackendKey) -> UInt16? {
        if let index = indices[key] { return index }
        guard indices.count < capacity else { return nil }
        while keys[next] != nil { next = advance(next) }
        indices[key] = next
        keys[next] = key
        defer { next = advance(next) }
        return next
    }

    public mutating func release(_ key: BackendKey) {
        guard let index = indices.removeValue(forKey: key) else { return }
        keys[index] = nil
    }

    private func advance(_ index: UInt16) -> UInt16 {
        Int(index) + 1 < capacity ? index + 1 : 0
    }
}
