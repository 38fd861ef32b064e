import Addresses
import Balancer
import Testing

/// ICMP and ICMPv6 errors about connections: what routers say on either side of the balancer.
extension PacketTests {
    @Suite struct ICMPErrorTests {
        static let clients = [Place.client, .client6]

        static func bed(_ build: Build) throws -> Testbed {
            let bed = try Testbed(build, ipv6: true)
            try bed.serve("40.1.1.1:80", [1])
            try bed.serve("[2001:db8:40::1]:80", [1])
            return bed
        }

        /// An error from a router about a packet, to its sender; `quote` bytes of the packet are quoted.
        static func error(
            about packet: Packet, quote: Int = 548, type: UInt8? = nil, code: UInt8 = 0, rest: UInt32 = 0
        ) -> Packet {
            let isIPv6 = packet.isIPv6
            return Packet(
                linkSource: Place.client.link, source: isIPv6 ? "2001:db8:ffff::1" : "198.51.100.1",
                destination: packet.source,
                content: .icmp(
                    ICMP(
                        type: type ?? (isIPv6 ? 1 : 3), code: code, rest: rest,
                        data: Array(packet.datagram.prefix(quote)))))
        }

        /// A connection's packet of the client, and what a backend answers to it at the frontend's address.
        static func replies(_ client: Place) -> [(name: String, packet: Packet)] {
            let reply = Packet.request(of: client).reply([.syn, .ack], payload: [1, 2, 3])
            var options = reply
            options.options = [1, 1, 1, 0]
            options.extensions = [.hopByHop(Extension.padding), .destination(Extension.padding)]
            var first = reply
            first.fragment = 0
            first.extensions = [.fragment(offset: 0, more: false, identification: 7)]
            return [("plain", reply), ("with options or extension headers", options), ("an atomic fragment", first)]
        }

        @Test(
            "an error about a reply goes to the backend that sent it, its quote as the backend knows it",
            arguments: Build.ofSNAT)
        func aboutReply(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                let out = try bed.forward(.request(of: client), .snat)
                for (name, reply) in Self.replies(client) {
                    let header = reply.length - reply.contentBytes.count
                    for quote in [header + 8, header + 20, reply.length] {
                        let error = Self.error(about: reply, quote: quote)
                        // What the backend had sent, from scratch.
                        var original = reply
                        (original.source, original.destination) = (out.destination, out.source)
                        original.ports = Ports(source: out.ports.destination, destination: out.ports.source)
                        var expected = Self.error(about: original, quote: quote)
                        expected.ttl -= 1
                        (expected.linkDestination, expected.linkSource) = (out.linkDestination, out.linkSource)
                        #expect(try bed.send(error).sent() == expected, "\(name), \(quote) bytes")
                    }
                }
                #expect(try bed.counters() == ["icmp_error_forwarded": 9])
                #expect(try bed.connections().map(\.packets) == [1])
            }
        }

        @Test("in DSR such an error is encapsulated as it is", arguments: Build.ofDSR)
        func aboutDirectReply(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                try bed.forward(.request(of: client), .dsr)
                for (_, reply) in Self.replies(client) { try bed.forward(Self.error(about: reply), .dsr) }
                #expect(try bed.counters() == ["icmp_error_forwarded": 3])
            }
        }

        @Test(
            "an error about a translated request goes to the client, as about its own packet", arguments: Build.ofSNAT)
        func aboutRequest(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                var request = Packet.request(of: client)
                let out = try bed.forward(request, .snat)
                request.ttl -= 1
                var expected = Self.error(about: request, code: 1)
                expected.linkDestination = client.link
                expected.linkSource = Place.balancer.link
                expected.ttl -= 1
                #expect(try bed.send(Self.error(about: out, code: 1)).sent() == expected)
            }
        }

        @Test(
            "an error about a DSR packet reaches the client as one about its own packet, the MTU less the outer header",
            arguments: Build.ofDSR)
        func aboutOuter(build: Build) throws {
            for client in Self.clients {
                for outer in Self.clients {
                    let bed = try Self.bed(build)
                    let backend = outer.address.isIPv6 ? Place.backend6(1) : Place.backend(1)
                    let frontend = client.address.isIPv6 ? "[2001:db8:40::1]:80" : "40.1.1.1:80"
                    let words = ServiceRequest.Texts(
                        frontend: frontend, backends: "\(Endpoint(backend.address, port: 80))", mode: "dsr")
                    _ = try bed.state.update(try ServiceRequest(words), origin: .command)
                    try bed.apply()
                    var request = Packet.request(of: client, .ack, payload: [UInt8](repeating: 9, count: 100))
                    let out = try bed.forward(request, .dsr)
                    let error = Self.error(
                        about: out, type: outer.address.isIPv6 ? 2 : 3, code: outer.address.isIPv6 ? 0 : 4, rest: 1400)
                    request.ttl -= 1
                    var expected = Self.error(
                        about: request, type: client.address.isIPv6 ? 2 : 3, code: client.address.isIPv6 ? 0 : 4,
                        rest: outer.address.isIPv6 ? 1360 : 1380)
                    expected.source = request.destination
                    (expected.linkDestination, expected.linkSource) = (client.link, Place.balancer.link)
                    (expected.identification, expected.flowLabel) = (0, 0)
                    #expect(try bed.send(error).sent() == expected, "\(client.address) in \(outer.address)")
                }
            }
        }

        @Test(
            "an error about a DSR packet that quotes too little to tell whose it was is dropped", arguments: Build.ofDSR
        )
        func shortQuote(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                var request = Packet.request(of: client)
                request.options = [1, 1, 1, 0]
                request.extensions = [.destination(Extension.padding)]
                let out = try bed.forward(request, .dsr)
                let (outer, inner) = client.address.isIPv6 ? (40, 48) : (20, 24)
                for quote in [outer, outer + 8, outer + inner - 1, outer + inner, outer + inner + 7] {
                    #expect(try bed.send(Self.error(about: out, quote: quote)).verdict == .drop, "\(quote) bytes")
                }
                #expect(try bed.send(Self.error(about: out, quote: outer + inner + 8)).verdict == .transmit)
                #expect(try bed.counters() == ["icmp_quote_too_short": 5, "icmp_error_forwarded": 1])
            }
        }

        @Test("bytes behind an error are not taken for its quote", arguments: Build.allCases)
        func padding(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                let out = try bed.forward(.request(of: client), build.mode)
                let packet = build.mode == .snat ? out : Packet.request(of: client).reply()
                let header = client.address.isIPv6 ? 40 : 20
                for quote in [0, 8, header - 4, header, header + 7] {
                    var error = Self.error(about: packet, quote: quote)
                    error.padding = Array(packet.datagram.dropFirst(quote))
                    #expect(try bed.send(error) == Outcome(verdict: .pass, frame: error.bytes), "\(quote) bytes")
                }
                #expect(try bed.counters() == [:])
            }
        }

        @Test("an error that is too large for the way to the backend is dropped, not answered", arguments: Build.ofDSR)
        func tooLarge(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                try bed.forward(.request(of: client), .dsr)
                var error = Self.error(about: Self.replies(client)[0].packet)
                error.payload += [UInt8](repeating: 0, count: 1500 - error.length)
                #expect(try bed.send(error).verdict == .drop)
                #expect(try bed.counters() == ["too_big": 1])
            }
        }

        @Test("an error about a connection that is not known goes on to the host", arguments: Build.allCases)
        func unknown(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                try bed.forward(.request(of: client), build.mode)
                let stray = Packet.request(from: 40001, of: client).reply()
                let error = Self.error(about: stray)
                #expect(try bed.send(error) == Outcome(verdict: .pass, frame: error.bytes))
                var own = Self.error(about: stray)
                own.destination = client.address.isIPv6 ? Place.balancer6.address : Place.balancer.address
                #expect(try bed.send(own) == Outcome(verdict: .pass, frame: own.bytes))
            }
        }

        @Test("an error whose TTL ends here is dropped and counted", arguments: Build.allCases)
        func expired(build: Build) throws {
            for client in Self.clients {
                let bed = try Self.bed(build)
                try bed.forward(.request(of: client), build.mode)
                var error = Self.error(about: Packet.request(of: client).reply())
                error.ttl = 1
                #expect(try bed.send(error).verdict == .drop)
                #expect(try bed.counters() == ["ttl_expired_reply": 1])
            }
        }
    }
}
