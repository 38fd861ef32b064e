import CDataplane

/// One step on the way from what the maps hold to what they shall hold.
public enum Edit: Sendable {
    case setBackend(UInt16, l4lb_backend)
    case clearBackend(UInt16)
    case setTable(service: UInt16, [UInt16])
    case removeTable(service: UInt16)
    case setFilter(Filter)
    case setAddress(l4lb_address)
    case removeAddress(l4lb_address)
    case setSourceRange(l4lb_source_range_key)
    case removeSourceRange(l4lb_source_range_key)
    case setService(l4lb_service_key, l4lb_service)
    case removeService(l4lb_service_key)
    /// Counters of drops and a budget of new connections, both as new.
    case openAccount(service: UInt16, l4lb_service_key)
    case closeAccount(service: UInt16)
    case setSNATAddress(UInt32, l4lb_address)
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
        for (place, address) in snatAddresses.sorted(by: { $0.key < $1.key })
        where current.snatAddresses[place] != address {
            edits.append(.setSNATAddress(place, address.raw))
        }
        for (id, key) in accounts.sorted(by: { $0.key < $1.key }) where current.accounts[id] != key {
            edits.append(.openAccount(service: id, key.raw))
        }
        // Between allowing some clients and denying others there is no order in which nobody gets in who may not:
        // such a service takes no new connections meanwhile.
        let turned = services.filter { key, service in
            current.services[key].map {
                $0.allowsRanges && service.deniesRanges || $0.deniesRanges && service.allowsRanges
            } ?? false
        }
        let turnedIDs = Set(turned.values.map(\.id))
        for key in turned.keys {
            guard var closed = current.services[key] else { continue }
            closed.flags |= UInt8(L4LB_SERVICE_UNUSABLE.rawValue)
            edits.append(.setService(key.raw, closed))
        }
        let first = displacedIDs.union(turnedIDs)
        let unwantedRanges = current.sourceRanges.subtracting(sourceRanges)
        edits += unwantedRanges.filter { first.contains(UInt16($0.raw.service)) }.map {
            .removeSourceRange($0.raw)
        }
        // Few have changed, as a rule, so that only those are put in order.
        let newBackends = backends.filter { index, backend in
            current.backends[index].map { !sameBytes($0, backend) } ?? true
        }
        for (index, backend) in newBackends.sorted(by: { $0.key < $1.key }) {
            edits.append(.setBackend(index, backend))
        }
        let newTables = tables.filter { id, table in current.tables[id] != table }
        for (id, table) in newTables.sorted(by: { $0.key < $1.key }) {
            edits.append(.setTable(service: id, table))
        }
        edits += sourceRanges.subtracting(current.sourceRanges).map { .setSourceRange($0.raw) }
        edits += addresses.subtracting(current.addresses).map { .setAddress($0.raw) }
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
        edits += current.addresses.subtracting(addresses).map { .removeAddress($0.raw) }
        edits += unwantedRanges.filter { !first.contains(UInt16($0.raw.service)) }.map {
            .removeSourceRange($0.raw)
        }
        for id in current.accounts.keys.filter({ accounts[$0] == nil }).sorted() {
            edits.append(.closeAccount(service: id))
        }
        for id in current.tables.keys.filter({ tables[$0] == nil }).sorted() {
            edits.append(.removeTable(service: id))
        }
        for index in current.backends.keys.filter({ backends[$0] == nil }).sorted() {
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
        case .setAddress(let address): addresses.insert(Key(address))
        case .removeAddress(let address): addresses.remove(Key(address))
        case .setSourceRange(let key): sourceRanges.insert(Key(key))
        case .removeSourceRange(let key): sourceRanges.remove(Key(key))
        case .setService(let key, let service): services[Key(key)] = service
        case .removeService(let key): services[Key(key)] = nil
        case .openAccount(let id, let key): accounts[id] = Key(key)
        case .closeAccount(let id): accounts[id] = nil
        case .setSNATAddress(let place, let address): snatAddresses[place] = Key(address)
        }
    }
}

extension l4lb_service {
    fileprivate var allowsRanges: Bool { UInt32(flags) & L4LB_SERVICE_SOURCE_RANGES.rawValue != 0 }
    fileprivate var deniesRanges: Bool { UInt32(flags) & L4LB_SERVICE_SOURCE_DENY.rawValue != 0 }
}
