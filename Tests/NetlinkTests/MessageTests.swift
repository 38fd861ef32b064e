import Testing

@testable import Netlink

// Listings are in the byte order of x86_64 and arm64, least significant byte first, except for addresses.
@Suite struct MessageTests {
    @Test("a datagram is split into its messages, whatever their padding")
    func split() throws {
        let messages = try Message.all(
            in: hex(
                """
                15000000 1c00 0200 07000000 00000000  # length 21, type 28, multi-part, number 7
                aabbccdd ee 000000                    # payload, padded to 24
                10000000 0300 0000 08000000 00000000  # length 16: nothing after the header
                """))
        #expect(messages.map(\.type) == [28, 3])
        #expect(messages.map(\.flags) == [2, 0])
        #expect(messages.map(\.sequence) == [7, 8])
        #expect(messages.map { Array($0.payload) } == [[0xaa, 0xbb, 0xcc, 0xdd, 0xee], []])
    }

    @Test("the last message of a datagram may come without its padding")
    func lastPadding() throws {
        let messages = try Message.all(in: hex("11000000 1c00 0200 07000000 00000000 aa"))
        #expect(messages.map { Array($0.payload) } == [[0xaa]])
    }

    @Test("no messages are in an empty datagram")
    func empty() throws {
        #expect(try Message.all(in: []).isEmpty)
    }

    @Test(
        "a datagram whose lengths lie is refused, not misread",
        arguments: [
            ("0f000000 1c00 0000 00000000 00000000", "a message says 15 bytes, 16 are there"),
            ("00000000 1c00 0000 00000000 00000000", "a message says 0 bytes, 16 are there"),
            ("11000000 1c00 0000 00000000 00000000", "a message says 17 bytes, 16 are there"),
            ("ffffffff 1c00 0000 00000000 00000000", "a message says 4294967295 bytes, 16 are there"),
            ("10000000 1c00 0000 00000000 000000", "a message header of 15 bytes"),
        ])
    func lies(listing: String, text: String) {
        #expect(throws: MalformedMessage(text)) { try Message.all(in: hex(listing)) }
    }

    @Test("an attribute is found by its type without the flag bits, the later one of two")
    func attributes() throws {
        let attributes = try Attributes(
            hex(
                """
                0500 0180 aa 000000  # type 1 with NLA_F_NESTED, one byte, padded
                0800 0240 01020304   # type 2 with NLA_F_NET_BYTEORDER
                0500 0100 bb         # type 1 again, without padding at the end
                """)[...])
        #expect(attributes[1] == [0xbb])
        #expect(attributes[2] == [1, 2, 3, 4])
        #expect(attributes[3] == nil)
    }

    @Test(
        "attributes whose lengths lie are refused",
        arguments: [
            ("0300 0100", "an attribute says 3 bytes, 4 are there"),
            ("0000 0100", "an attribute says 0 bytes, 4 are there"),
            ("0900 0100 aabbccdd", "an attribute says 9 bytes, 8 are there"),
            ("0400", "an attribute header of 2 bytes"),
        ])
    func attributeLies(listing: String, text: String) {
        #expect(throws: MalformedMessage(text)) { try Attributes(hex(listing)[...]) }
    }

    @Test("a number has exactly the length that is asked for")
    func numbers() {
        let bytes = hex("ff 01020304 0506")
        #expect(bytes[1..<5].number(UInt32.self) == 0x0403_0201)
        #expect(bytes[1..<2].number(UInt8.self) == 1)
        #expect(bytes[1..<4].number(UInt32.self) == nil)
        #expect(bytes[1..<6].number(UInt32.self) == nil)
        #expect(hex("feffffff")[...].number(Int32.self) == -2)
    }

    @Test("an acknowledgement is a verdict without an error")
    func acknowledged() throws {
        let verdict = try #require(
            try Verdict(
                only(
                    """
                    24000000 0200 0001 01000000 00000000  # NLMSG_ERROR, NLM_F_CAPPED
                    00000000                              # 0: done
                    20000000 1c00 0500 01000000 00000000  # the header of the request
                    """)))
        #expect(verdict.errno == 0)
        #expect(verdict.detail == nil)
    }

    @Test("an error carries the kernel's own words, after a request that is quoted whole or cut")
    func refused() throws {
        let words = """
            1000 0100 4e6f2073756368206465760 0  # NLMSGERR_ATTR_MSG "No such dev"
            """
        let whole = try #require(
            try Verdict(
                only(
                    """
                    38000000 0200 0002 01000000 00000000  # NLMSG_ERROR, NLM_F_ACK_TLVS
                    edffffff                              # -19, ENODEV
                    14000000 1c00 0500 01000000 00000000  # the request
                    11223344                              # and its payload
                    \(words)
                    """)))
        let cut = try #require(
            try Verdict(
                only(
                    """
                    34000000 0200 0003 01000000 00000000  # NLMSG_ERROR, NLM_F_ACK_TLVS, NLM_F_CAPPED
                    edffffff
                    14000000 1c00 0500 01000000 00000000
                    \(words)
                    """)))
        for verdict in [whole, cut] {
            #expect(verdict.errno == 19)
            #expect(verdict.detail == "No such dev")
        }
    }

    @Test("a dump ends with a verdict, which may be an error")
    func done() throws {
        #expect(try Verdict(only("14000000 0300 0200 01000000 00000000 00000000"))?.errno == 0)
        #expect(try Verdict(only("14000000 0300 0200 01000000 00000000 f0ffffff"))?.errno == 16)
        #expect(try Verdict(only("10000000 0300 0200 01000000 00000000"))?.errno == 0)
        #expect(try Verdict(only("10000000 1c00 0200 01000000 00000000")) == nil)
    }

    @Test("a request is written as the kernel reads it")
    func request() {
        let request = Neighbour.request(30, flags: 4, .init("10.0.0.9")!, interface: 3, entryFlags: 1)
        #expect(
            request.bytes(sequence: 9)
                == hex(
                    """
                    24000000 1e00 0500 09000000 00000000  # length 36, RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_ACK
                    02 00 0000 03000000 0000 01 00        # ndmsg: AF_INET, interface 3, NTF_USE
                    0800 0100 0a000009                    # NDA_DST
                    """))
    }

    @Test("an attribute of odd length is padded, and its length says the odd one")
    func padding() {
        var request = Request(16, flags: 0, header: UInt8(0xaa))
        request.append(3, Array("eth".utf8) + [0, 1])
        #expect(
            request.bytes(sequence: 1)
                == hex(
                    """
                    20000000 1000 0100 01000000 00000000
                    aa 000000
                    0900 0300 657468 00 01 000000
                    """))
    }
}

/// The single message of a listing.
func only(_ listing: String) throws -> Message {
    let messages = try Message.all(in: hex(listing))
    return try #require(messages.count == 1 ? messages.first : nil)
}
