import Addresses
import BPF
import Glibc
import Testing

@testable import Agent

@Suite("A program that cannot be attached")
struct AttachmentTests {
    @Test(
        "The error names the device, the cause and the mend",
        arguments: [
            (EOPNOTSUPP, false, "the driver refuses native XDP (Operation not supported): use --bpf-lb-acceleration="),
            (EOPNOTSUPP, true, "the driver refuses native XDP while LRO is on: ethtool -K eth0 lro off"),
            (EBUSY, true, "another XDP program holds it"), (ENOMEM, true, "Cannot allocate memory"),
        ] as [(Int32, Bool, String)])
    func explanation(_ number: Int32, _ hasLRO: Bool, _ words: String) throws {
        let device = Device(
            name: "eth0", index: 2, address: try #require(LinkAddress("02:00:00:00:00:01")), mtu: 1500)
        let error = Attachment.explain(
            BPFError("attach", errno: number), device: device, acceleration: .native, holder: nil, hasLRO: hasLRO)
        #expect(error.description.hasPrefix("cannot attach to eth0: \(words)"), "\(error)")
    }
}
