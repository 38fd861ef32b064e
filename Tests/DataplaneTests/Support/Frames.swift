/// Frames that no honest sender makes: a packet's bytes with some of them changed.
extension [UInt8] {
    /// The IP header's checksum made valid again, where there is a whole header.
    var withIPChecksum: [UInt8] {
        guard count > 14 else { return self }
        let end = 14 + Swift.max(Int(self[14] & 15) * 4, 20)
        guard count >= end else { return self }
        let cleared = replacing(at: 24, with: [0, 0])
        return cleared.replacing(at: 24, with: internetChecksum(cleared[14..<end]).octets)
    }
}
