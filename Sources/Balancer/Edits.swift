import CDataplane

/// One step on the way from what the maps hold to what they shall hold.
public enum Edit: Sendable {
    case setBackend(UInt16, l4lb_backend)
    case clearBackend(UInt16)
    case setTable(service: UInt16, [UInt16])
    case removeTable(service: UInt16)
    case setFilter(AddressFilter)
    case setAddress(UInt32)
    case removeAddress(UInt32)
    case setSourceRange(l4lb_source_range_key)
    case removeSourceRange(l4lb_source_range_key)
    case setService(l4lb_service_key, l4lb_service)
    case removeService(l4lb_service_key)
}

extension MapContents {
    /// The steps from `current` to this, in an order in which no packet ever meets half a service:
    /// what a service names comes before the service, and goes after it.
    public func edits(from current: MapContents) -> [Edit] {
        var edits: [Edit] = []
        // An id that goes to another frontend brings another table: its old service goes first.
        let owners = Dictionary(uniqueKeysWithValues: services.map { ($1.id, $0) })
        let displaced = current.services.filter { key, service in owners[service.id].map { $0 != key } ?? false }
        let displacedIDs = Set(displaced.values.map(\.id))
        edits += displaced.keys.map { .removeService($0.raw) }
        let unwantedRanges = current.sourceRanges.subtracting(sourceRanges)
        edits += unwantedRanges.filter { displacedIDs.contains($0.raw.service) }.map { .removeSourceRange($0.raw) }
        for (index, backend) in backends.sorted(by: { $0.key < $1.key }) {
            if let old = current.backends[index], sameBytes(old, backend) { continue }
            edits.append(.setBackend(index, backend))
        }
        for (id, table) in tables.sorted(by: { $0.key < $1.key }) where current.tables[id] != table {
            edits.append(.setTable(service: id, table))
        }
        edits += sourceRanges.subtracting(current.sourceRanges).map { .setSourceRange($0.raw) }
        edits += addresses.subtracting(current.addresses).map { .setAddress($0) }
        if filter != current.filter {
            var both = filter
            both.formUnion(current.filter)
            if both != current.filter { edits.append(.setFilter(both)) }
        }
        for (key, service) in services {
            if let old = current.services[key], sameBytes(old, service) { continue }
            edits.append(.setService(key.raw, service))
        }
        // From here on what is no longer wanted goes.
        for key in current.services.keys where services[key] == nil && displaced[key] == nil {
            edits.append(.removeService(key.raw))
        }
        edits += current.addresses.subtracting(addresses).map { .removeAddress($0) }
        edits += unwantedRanges.filter { !displacedIDs.contains($0.raw.service) }.map { .removeSourceRange($0.raw) }
        for id in current.tables.keys.sorted() where tables[id] == nil {
            edits.append(.removeTable(service: id))
        }
        for index in current.backends.keys.sorted() where backends[index] == nil {
            edits.append(.clearBackend(index))
        }
        if filter != current.filter {
            edits.append(.setFilter(filter))
        }
        return edits
    }
}

extension MapContents {
    /// What the maps hold once a step has been taken.
    public mutating func apply(_ edit: Edit) {
        switch edit {
        case .setBackend(let index, let backend): backends[index] = backend
        case .clearBackend(let index): backends[index] = nil
        case .setTable(let id, let table): tables[id] = table
        case .removeTable(let id): tables[id] = nil
        case .setFilter(let filter): self.filter = filter
        case .setAddress(let address): addresses.insert(address)
        case .removeAddress(let address): addresses.remove(address)
        case .setSourceRange(let key): sourceRanges.insert(Key(key))
        case .removeSourceRange(let key): sourceRanges.remove(Key(key))
        case .setService(let key, let service): services[Key(key)] = service
        case .removeService(let key): services[Key(key)] = nil
        }
    }
}
