import CMnl

extension NetlinkSocket {
    /// Whether the device has any filter in its hook clsact, of either direction. False where it has no such hook.
    public mutating func hasFilters(interface: Int32) throws(NetlinkError) -> Bool {
        for direction in [TC_H_MIN_INGRESS, TC_H_MIN_EGRESS] {
            var header = tcmsg()
            header.tcm_family = UInt8(AF_UNSPEC)
            header.tcm_ifindex = interface
            // TC_H_CLSACT, which C has as a macro.
            header.tcm_parent = UInt32(0xFFFF_0000) | UInt32(direction)
            let request = Request(RTM_GETTFILTER, flags: NLM_F_DUMP, header: header)
            let filters: [UInt32] = try ask(request, "list the filters of device \(interface)") {
                message throws(MalformedMessage) in
                Int(message.type) == RTM_NEWTFILTER ? try message.parts(tcmsg.self).header.tcm_handle : nil
            }
            if !filters.isEmpty { return true }
        }
        return false
    }
}
