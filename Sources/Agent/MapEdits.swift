import BPF
import Balancer
import CDataplane

extension DataplaneMaps {
    /// What an earlier agent has left in the maps, and its tables. How a table is filled is not looked at: it is
    /// written again.
    func read() throws(BPFError) -> (MapContents, tables: [UInt16: BPFMap]) {
        var contents = MapContents()
        var tables: [UInt16: BPFMap] = [:]
        var keys: [UInt16: l4lb_service_key] = [:]
        for (key, service) in try services.entries(l4lb_service_key(), l4lb_service()) {
            contents.apply(.setService(key, service))
            keys[service.id] = key
        }
        for (id, table) in try maglev.entries(UInt32(0), UInt32(0)) {
            tables[UInt16(id)] = try BPFMap(id: table)
            contents.apply(.setTable(service: UInt16(id), []))
        }
        for id in try serviceDrops.keys(UInt32(0)) {
            // Of a service that is not there, it is opened anew.
            contents.apply(.openAccount(service: UInt16(id), keys[UInt16(id)] ?? l4lb_service_key()))
        }
        for (index, backend) in try backends.entries(UInt32(0), l4lb_backend()) where backend.service != 0 {
            contents.apply(.setBackend(UInt16(index), backend))
        }
        for (address, _) in try addresses.entries(l4lb_address(), UInt32(0)) { contents.apply(.setAddress(address)) }
        for (range, _) in try sourceRanges.entries(l4lb_source_range_key(), UInt32(0)) {
            contents.apply(.setSourceRange(range))
        }
        for (place, address) in try snatAddresses.entries(UInt32(0), l4lb_address()) {
            contents.apply(.setSNATAddress(place, address))
        }
        let planes = Filter()
        let words = try filter.elements(UInt32(0), count: planes.words.count, initial: UInt64(0)) ?? planes.words
        contents.apply(.setFilter(Filter(words: words)))
        return (contents, tables)
    }
}

/// How a plan's steps get into the maps.
extension DataplaneMaps {
    /// Takes the steps in their order. Where one fails, `contents` tells how far it came. `tables` are the maps
    /// inside the map `maglev`, by service.
    func apply(
        _ edits: [Edit], to contents: inout MapContents, tables: inout [UInt16: BPFMap]
    ) throws(BPFError) {
        var rest = edits[...]
        while let first = rest.first {
            let run = [first] + rest.dropFirst().prefix { $0.isWritten(with: first) }
            rest = rest.dropFirst(run.count)
            do {
                try write(run, tables: &tables)
            } catch {
                // A batch is no transaction: what may be there is recorded as what nobody wants.
                for edit in run { contents.apply(edit.unknown) }
                throw error
            }
            for edit in run { contents.apply(edit) }
        }
    }

    /// One step, or several of one kind for which the kernel takes batches.
    private func write(_ edits: [Edit], tables: inout [UInt16: BPFMap]) throws(BPFError) {
        var backends: (keys: [UInt32], values: [l4lb_backend]) = ([], [])
        var services: (keys: [l4lb_service_key], values: [l4lb_service]) = ([], [])
        var newTables: (keys: [UInt32], maps: [BPFMap]) = ([], [])
        var oldTables: [UInt32] = []
        var oldServices: [l4lb_service_key] = []
        for edit in edits {
            switch edit {
            case .setBackend(let index, let backend):
                backends.keys.append(UInt32(index))
                backends.values.append(backend)
            case .clearBackend(let index):
                backends.keys.append(UInt32(index))
                backends.values.append(l4lb_backend())
            case .setTable(let id, let slots):
                // A table that is in use changes in place, slot by slot: each slot is right before
                // and after.
                if let table = tables[id] {
                    try table.update(UInt32(0), elements: slots)
                } else {
                    let table = try BPFMap(arrayOf: slots.count * 2, name: "maglev_table")
                    try table.update(UInt32(0), elements: slots)
                    newTables.keys.append(UInt32(id))
                    newTables.maps.append(table)
                }
            case .removeTable(let id): oldTables.append(UInt32(id))
            case .removeService(let key): oldServices.append(key)
            case .setService(let key, let service):
                services.keys.append(key)
                services.values.append(service)
            default:
                try write(edit, tables: &tables)
            }
        }
        try self.backends.update(keys: backends.keys, values: backends.values)
        if !newTables.keys.isEmpty {
            try maglev.update(keys: newTables.keys, maps: newTables.maps)
            for (key, map) in zip(newTables.keys, newTables.maps) { tables[UInt16(key)] = map }
        }
        try self.services.update(keys: services.keys, values: services.values)
        try self.services.remove(keys: oldServices)
        try maglev.removeMaps(keys: oldTables)
        for id in oldTables { tables[UInt16(id)] = nil }
    }

    /// A step that is taken alone.
    private func write(_ edit: Edit, tables: inout [UInt16: BPFMap]) throws(BPFError) {
        switch edit {
        case .setBackend, .clearBackend, .setTable, .removeTable, .setService, .removeService:
            try write([edit], tables: &tables)
        case .setFilter(let bits): try filter.update(UInt32(0), elements: bits.words)
        case .setAddress(let address): try addresses.update(address, L4LB_ADDRESS_FRONTEND.rawValue)
        case .removeAddress(let address): try addresses.remove(address)
        case .setSourceRange(let key): try sourceRanges.update(key, UInt32(1))
        case .removeSourceRange(let key): try sourceRanges.remove(key)
        case .openAccount(let id, _):
            try budgets.update(UInt32(id), l4lb_budget())
            try serviceDrops.clearPerProcessor(UInt32(id))
        case .closeAccount(let id): try serviceDrops.remove(UInt32(id))
        case .setSNATAddress(let place, let address): try snatAddresses.update(place, address)
        }
    }
}

extension Edit {
    /// Whether two steps may be written as one batch.
    fileprivate func isWritten(with first: Edit) -> Bool {
        switch (self, first) {
        case (.setBackend, .setBackend), (.clearBackend, .clearBackend), (.setTable, .setTable),
            (.removeTable, .removeTable), (.setService, .setService), (.removeService, .removeService):
            true
        default: false
        }
    }

    /// The step as it stands when nobody knows whether it was taken: the next plan takes it again,
    /// or takes it back.
    fileprivate var unknown: Edit {
        switch self {
        case .setBackend(let index, _), .clearBackend(let index): .setBackend(index, l4lb_backend())
        case .setTable(let id, _), .removeTable(let id): .setTable(service: id, [])
        case .setService(let key, _), .removeService(let key): .setService(key, l4lb_service())
        case .setFilter: .setFilter(Filter())
        // These are written one at a time: one that failed was not taken.
        case .setAddress(let address): .removeAddress(address)
        case .removeAddress(let address): .setAddress(address)
        case .setSourceRange(let key): .removeSourceRange(key)
        case .removeSourceRange(let key): .setSourceRange(key)
        case .openAccount(let id, _), .closeAccount(let id): .openAccount(service: id, l4lb_service_key())
        case .setSNATAddress(let place, _): .setSNATAddress(place, l4lb_address())
        }
    }
}
