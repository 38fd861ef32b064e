import Addresses
import Balancer
import CDataplane
import Testing

@Suite struct DroppedPacketTests {
    /// Octets as hex, blanks for the eye.
    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.filter { !$0.isWhitespace })
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0..<$0 + 2]), radix: 16) }
    }

    private static let ethernet4 = "020000000001 02000000000c 0800"
    private static let ethernet6 = "020000000001 02000000000c 86dd"
    /// 192.0.2.10 -> 40.1.1.1
    private static let ends4 = "c000020a 28010101"
    /// 2001:db8::10 -> 2001:db8::80
    private static let ends6 = "20010db8000000000000000000000010 20010db8000000000000000000000080"
    /// 40000 -> 80
    private static let ports = "9c40 0050"

    private static func ipv4(
        _ number: String, fragment: String = "4000", first: String = "45", options: String = "", _ rest: String = ports
    ) -> String {
        "\(ethernet4) \(first) 00 0028 1d2c \(fragment) 40 \(number) 0000 \(ends4) \(options) \(rest)"
    }

    private static func ipv6(_ next: String, _ rest: String = ports) -> String {
        "\(ethernet6) 60000000 0014 \(next) 40 \(ends6) \(rest)"
    }

    struct Row {
        var name: String
        var frame: String
        /// As shown: protocol, client, destination.
        var shown: [String?]

        init(_ name: String, _ frame: String, _ shown: String?...) {
            self.name = name
            self.frame = frame
            self.shown = shown
        }
    }

    static let rows = [
        Row("TCP", ipv4("06"), "tcp", "192.0.2.10:40000", "40.1.1.1:80"),
        Row("UDP", ipv4("11"), "udp", "192.0.2.10:40000", "40.1.1.1:80"),
        Row("port 0", ipv4("06", "0000 0000"), "tcp", "192.0.2.10:0", "40.1.1.1:0"),
        Row("options", ipv4("06", first: "46", options: "01010101"), "tcp", "192.0.2.10:40000", "40.1.1.1:80"),
        Row("ICMP", ipv4("01", "0800 f7ff 0000"), "icmp", "192.0.2.10", "40.1.1.1"),
        Row("another protocol", ipv4("84"), "132", "192.0.2.10", "40.1.1.1"),
        Row("a first fragment", ipv4("11", fragment: "2000"), "udp", "192.0.2.10:40000", "40.1.1.1:80"),
        Row("a later fragment", ipv4("11", fragment: "20b9"), "udp", "192.0.2.10", "40.1.1.1"),
        Row("cut off behind the addresses", ipv4("06", ""), "tcp", "192.0.2.10", "40.1.1.1"),
        Row("cut off in the ports", ipv4("06", "9c40 00"), "tcp", "192.0.2.10", "40.1.1.1"),
        Row("cut off in an address", "\(ethernet4) 45000028 1d2c4000 40060000 c000020a 2801", "tcp", "192.0.2.10", nil),
        Row("cut off behind Ethernet", ethernet4, nil, nil, nil),
        Row("a header length of 4 words", ipv4("06", first: "44"), nil, nil, nil),
        Row("version 6 in an IPv4 frame", ipv4("06", first: "65"), nil, nil, nil),
        Row("ARP", "ffffffffffff 02000000000c 0806 0001", nil, nil, nil),
        Row("an empty frame", "", nil, nil, nil),
        Row("IPv6 TCP", ipv6("06"), "tcp", "[2001:db8::10]:40000", "[2001:db8::80]:80"),
        Row("ICMPv6", ipv6("3a", "8000 0000"), "icmpv6", "2001:db8::10", "2001:db8::80"),
        Row(
            "hop-by-hop and destination options", ipv6("00", "3c00010400000000 06010104" + "00" * 12 + ports), "tcp",
            "[2001:db8::10]:40000", "[2001:db8::80]:80"),
        Row(
            "an IPv6 first fragment", ipv6("2c", "1100000100000007 \(ports)"), "udp", "[2001:db8::10]:40000",
            "[2001:db8::80]:80"),
        Row("an IPv6 later fragment", ipv6("2c", "110000a900000007 \(ports)"), "udp", "2001:db8::10", "2001:db8::80"),
        Row("IPv6 cut off in an extension header", ipv6("00", "06"), nil, "2001:db8::10", "2001:db8::80"),
        Row(
            "IPv6 options that are longer than the sample", ipv6("00", "06ff 00000000"), "tcp", "2001:db8::10",
            "2001:db8::80"),
        Row(
            "IPv6 cut off in the destination", "\(ethernet6) 60000000 0014 06 40 20010db8000000000000000000000010 2001",
            "tcp", "2001:db8::10", nil),
    ]

    @Test("of a frame's beginning what is known is shown", arguments: rows)
    func heads(row: Row) {
        let head = PacketHead(frame: Self.bytes(row.frame))
        #expect([head.transportName, head.client, head.target] == row.shown, "\(row.name)")
    }

    @Test("a frame may end anywhere")
    func anywhere() {
        for row in Self.rows {
            let frame = Self.bytes(row.frame)
            let whole = PacketHead(frame: frame)
            for length in 0...frame.count {
                let head = PacketHead(frame: Array(frame[..<length]))
                #expect(head.source == nil || head.source == whole.source)
                #expect(head.ports == nil || head.ports == whole.ports)
            }
        }
    }

    private static func record(reason: UInt16, service: UInt16, frame: [UInt8], length: UInt32) -> [UInt8] {
        var sample = l4lb_drop_sample()
        (sample.reason, sample.service, sample.ifindex) = (reason, service, 7)
        (sample.length, sample.captured) = (length, UInt32(min(frame.count, Int(L4LB_SAMPLE_BYTES))))
        withUnsafeMutableBytes(of: &sample.bytes) { $0.copyBytes(from: frame.prefix(Int(L4LB_SAMPLE_BYTES))) }
        return withUnsafeBytes(of: sample) { Array($0) }
    }

    @Test("a record of the ring tells reason, service, device and length")
    func records() throws {
        let frame = Self.bytes(Self.ipv4("06"))
        for reason in DropReason.allCases {
            let record = Self.record(reason: UInt16(reason.counter), service: 3, frame: frame, length: 1514)
            let packet = try #require(DroppedPacket(record: record))
            #expect(packet.reason == reason)
            #expect(packet.service == 3)
            #expect(packet.interface == 7)
            #expect(packet.length == 1514)
            #expect(packet.head == PacketHead(frame: frame))
        }
    }

    @Test("without a service, or with a reason from the future, the rest of a record is known all the same")
    func strange() throws {
        let packet = try #require(
            DroppedPacket(record: Self.record(reason: 999, service: 0, frame: Self.bytes(Self.ipv6("06")), length: 60)))
        #expect(packet.reason == nil)
        #expect(packet.service == nil)
        #expect(packet.head.client == "[2001:db8::10]:40000")
        #expect(DroppedPacket(record: []) == nil)
        #expect(DroppedPacket(record: [UInt8](repeating: 0, count: MemoryLayout<l4lb_drop_sample>.size - 1)) == nil)
        let empty = Self.record(reason: 0, service: 0, frame: [], length: 60)
        #expect(try #require(DroppedPacket(record: empty)).head == PacketHead(frame: []))
    }
}

private func * (text: String, count: Int) -> String { String(repeating: text, count: count) }
