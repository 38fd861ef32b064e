import Addresses
import Balancer
import Testing

extension PacketTests {
    @Suite struct EchoTests {
        static func echo(
            _ data: [UInt8], identifier: UInt32 = 0x1234_0001, ttl: UInt8 = 57,
            of client: IPAddress = Place.client.address
        ) -> Packet {
            Packet(
                tos: 0x10, ttl: ttl, source: client, destination: Place.frontend,
                content: .icmp(ICMP(type: 8, rest: identifier, data: data)))
        }

        static func reply(_ echo: Packet) -> Packet {
            var reply = echo
            (reply.linkDestination, reply.linkSource) = (echo.linkSource, echo.linkDestination)
            (reply.source, reply.destination) = (echo.destination, echo.source)
            reply.ttl = 64
            if case .icmp(var icmp) = echo.content {
                icmp.type = 0
                reply.content = .icmp(icmp)
            }
            return reply
        }

        @Test("a ping of a frontend is answered with its own data", arguments: Build.allCases)
        func answered(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            var random = SplitMix64(seed: 3)
            let lengths = [0, 1, 2, 3, 17, 56, 57, 1471, 1472]
            for length in lengths {
                let echo = Self.echo((0..<length).map { _ in UInt8.random(in: 0...255, using: &random) })
                #expect(try bed.send(echo).sent("\(length) bytes") == Self.reply(echo), "\(length) bytes")
            }
            #expect(try bed.counters() == ["icmp_echo_answered": UInt64(lengths.count)])
        }

        @Test("a ping is answered whatever its checksum and its TTL are", arguments: [Build.snat])
        func checksums(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            var wrong: [Int] = []
            for word in stride(from: 0, to: 65536, by: 37) {
                let echo = Self.echo(UInt16(word).octets, ttl: UInt8(word & 255))
                if try bed.send(echo) != Outcome(verdict: .transmit, frame: Self.reply(echo).bytes) {
                    wrong.append(word)
                }
            }
            #expect(wrong.isEmpty)
        }

        @Test("a ping of zeros alone is answered with a valid checksum", arguments: Build.allCases)
        func zeros(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            let wrong = try [0, 1, 56].filter { length in
                let echo = Self.echo([UInt8](repeating: 0, count: length), identifier: 0)
                return try bed.send(echo) != Outcome(verdict: .transmit, frame: Self.reply(echo).bytes)
            }
            #expect(wrong.isEmpty, "bytes of data")
        }

        @Test("a ping whose frame is padded is answered with the padding behind it", arguments: Build.allCases)
        func padding(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            var echo = Self.echo([1])
            echo.padding = [UInt8](repeating: 0, count: 60 - echo.bytes.count)
            #expect(try bed.send(echo).sent() == Self.reply(echo))
        }

        @Test("a ping of a frontend that is the host's own address goes on to the host", arguments: Build.allCases)
        func hostAddress(build: Build) throws {
            let bed = try Testbed(build)
            bed.hostAddresses.insert(Place.frontend)
            try bed.serve()
            let echo = Self.echo([1, 2, 3])
            #expect(try bed.send(echo) == Outcome(verdict: .pass, frame: echo.bytes))
            try bed.forward(.request(), build.mode)
            #expect(try bed.counters() == [:])
        }

        @Test("other ICMP to a frontend goes on to the host untouched", arguments: Build.allCases)
        func otherICMP(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            let quote = Array(Packet.request().datagram.prefix(28))
            for (type, code) in [(0, 0), (3, 1), (3, 3), (3, 4), (5, 1), (8, 1), (11, 0), (12, 0), (13, 0), (255, 0)]
                as [(UInt8, UInt8)]
            {
                var packet = Self.echo([])
                packet.content = .icmp(ICMP(type: type, code: code, data: quote))
                #expect(
                    try bed.send(packet) == Outcome(verdict: .pass, frame: packet.bytes), "type \(type), code \(code)")
            }
            var fragment = Self.echo([1, 2, 3, 4, 5, 6, 7, 8])
            fragment.fragment = 0x2000
            #expect(try bed.send(fragment) == Outcome(verdict: .pass, frame: fragment.bytes))
            #expect(try bed.counters() == [:])
        }

        @Test("a ping of the balancer's own address is the host's to answer", arguments: Build.allCases)
        func balancer(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            var echo = Self.echo([1])
            echo.destination = Place.balancer.address
            #expect(try bed.send(echo) == Outcome(verdict: .pass, frame: echo.bytes))
        }

        @Test("a ping of a frontend whose lengths lie is dropped", arguments: Build.allCases)
        func lyingLengths(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            let answered = try [UInt16(0), 19, 20, 27, 32, 200].filter { length in
                let frame = Self.echo([1, 2, 3]).bytes.replacing(at: 16, with: length.octets).withIPChecksum
                return try bed.send(frame).verdict != .drop
            }
            #expect(answered.isEmpty, "IP total lengths, 31 were true")
            #expect(try bed.counters() == ["malformed": 6])
        }

        @Test("ICMP to a frontend that is cut off in its header is dropped", arguments: Build.allCases)
        func cutOff(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            for length in 34..<42 {
                let frame = Array(Self.echo([1, 2, 3]).bytes[..<length])
                #expect(try bed.send(frame).verdict == .drop, "\(length) bytes")
            }
            #expect(try bed.counters() == ["malformed": 8])
        }

        @Test("a ping of a frontend from an address that no client has is dropped", arguments: Build.allCases)
        func impossibleSources(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            let answered = try ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "40.1.1.1"].filter { source in
                try bed.send(Self.echo([1], of: IPAddress(source)!)).verdict != .drop
            }
            #expect(answered.isEmpty)
            #expect(try bed.counters() == ["malformed": 5])
        }
    }
}
