import Addresses
import CMnl
import Glibc

/// Having the kernel resolve link addresses. An entry that the administrator made permanent needs none of it and
/// is left alone: the kernel would take the permanence away (neigh_update, up to Linux 6.18 at least).
extension NetlinkSocket {
    /// The entry for this address, nil where there is none.
    public mutating func neighbour(_ address: IPAddress, interface: Int32) throws(NetlinkError) -> Neighbour? {
        let request = Neighbour.request(RTM_GETNEIGH, flags: NLM_F_ACK, address, interface: interface)
        do throws(NetlinkError) {
            return try ask(request, "look up the neighbour \(address)", parse: Neighbour.init(_:)).first
        } catch {
            guard error.errno == ENOENT else { throw error }
            return nil
        }
    }

    /// Has the kernel ask for the link address (ARP or NDP) unless it knows it, and confirm one that is stale after
    /// some seconds. The answer arrives later: see `NetlinkMonitor`. Needs CAP_NET_ADMIN.
    public mutating func probe(_ address: IPAddress, interface: Int32) throws(NetlinkError) {
        let known = try neighbour(address, interface: interface)
        if let known, known.needsNoResolution { return }
        try use(
            address, interface: interface, known: known, managed: known?.isManaged ?? false,
            "ask for the link address of \(address)")
    }

    /// Has the kernel ask for the link address now and keep it fresh until `unmanage` (NTF_EXT_MANAGED, Linux 5.16),
    /// also when nobody answers for a while. False where there is nothing for the caller to undo: the entry is
    /// permanent, or someone had it managed before. Needs CAP_NET_ADMIN.
    @discardableResult
    public mutating func manage(_ address: IPAddress, interface: Int32) throws(NetlinkError) -> Bool {
        let known = try neighbour(address, interface: interface)
        if let known, known.needsNoResolution || known.isManaged { return false }
        try use(
            address, interface: interface, known: known, managed: true, isOurs: true,
            "keep the link address of \(address) fresh")
        return true
    }

    /// Removes an entry that `manage` made; the host's own traffic learns it anew when it needs it. Entries that are
    /// not managed stay as they are, and one that is gone already, also with its link, is no error.
    public mutating func unmanage(_ address: IPAddress, interface: Int32) throws(NetlinkError) {
        do throws(NetlinkError) {
            guard let known = try neighbour(address, interface: interface), known.isManaged else { return }
            let request = Neighbour.request(RTM_DELNEIGH, flags: NLM_F_ACK, address, interface: interface)
            try tell(request, "remove the neighbour \(address)")
        } catch {
            guard [ENOENT, ENODEV].contains(error.errno) else { throw error }
        }
    }

    /// The kernel clears the flags that an update does not name, so those of the known entry are named again.
    private mutating func use(
        _ address: IPAddress, interface: Int32, known: Neighbour?, managed: Bool, isOurs: Bool = false,
        _ action: String
    ) throws(NetlinkError) {
        let learned = known?.isLearnedElsewhere ?? false ? NTF_EXT_LEARNED : 0
        var request = Neighbour.request(
            RTM_NEWNEIGH, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, address, interface: interface,
            entryFlags: NTF_USE | learned)
        if managed { request.append(NDA_FLAGS_EXT, UInt32(NTF_EXT_MANAGED)) }
        if isOurs { request.append(NDA_PROTOCOL, [Neighbour.protocolNumber]) }
        do throws(NetlinkError) {
            try tell(request, action)
        } catch {
            guard error.errno == ENOBUFS else { throw error }
            let family = address.isIPv6 ? "ipv6" : "ipv4"
            throw .failed(
                action: action, errno: ENOBUFS,
                detail: "the kernel's table of neighbours is full: raise net.\(family).neigh.default.gc_thresh3")
        }
    }
}

extension Neighbour {
    fileprivate var needsNoResolution: Bool { !state.isDisjoint(with: [.permanent, .noARP]) }
}
