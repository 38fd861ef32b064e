import Addresses
import BPF
import Balancer
import CDataplane
import Testing

@testable import Agent

/// A small table under more connections than it can hold.
extension PacketTests {
    @Suite struct FlowTableTests {
        static let protocols = TransportProtocol.allCases

        static let places = 256

        static func small(_ build: Build) throws -> Testbed {
            let bed = try Testbed(build, connections: places)
            #expect(bed.flows.count == places * 2)
            try bed.serveBoth()
            return bed
        }

        static func stranger(_ number: Int, _ transport: TransportProtocol) -> Packet {
            var client = Place.client
            client.address = .v4(IPv4Address(value: 0x0b00_0000 + UInt32(number) / 1000))
            return .request(transport, from: 1024 + UInt16(number % 1000), of: client)
        }

        /// Connections that a backend has answered, or whose client has sent packets over some time.
        static func confirmed(_ count: Int, _ bed: Testbed, _ transport: TransportProtocol, _ mode: Mode) throws
            -> [UInt16: Packet]
        {
            var begun: [UInt16: Packet] = [:]
            for port in 40000..<40000 + UInt16(count) {
                let request = Packet.request(transport, from: port)
                let out = try bed.forward(request, mode)
                if mode == .snat { try bed.answer(out, [.syn, .ack], to: request) }
                for _ in 0..<3 { try bed.forward(.request(transport, from: port, .ack), mode) }
                begun[port] = out
            }
            try bed.pass(4)
            try ConnectionTests.goOn(begun, bed, transport, mode)
            return begun
        }

        static func flood(_ count: Int, _ bed: Testbed, _ transport: TransportProtocol) throws -> [Verdict: Int] {
            var verdicts: [Verdict: Int] = [:]
            for number in 0..<count { verdicts[try bed.send(stranger(number, transport)).verdict, default: 0] += 1 }
            return verdicts
        }

        @Test("confirmed connections keep backend and port under a flood of SYNs", arguments: Build.allCases)
        func flood(build: Build) throws {
            let bed = try Self.small(build)
            let begun = try Self.confirmed(50, bed, .tcp, build.mode)
            #expect(try Self.flood(20_000, bed, .tcp) == [.transmit: 20_000])
            // Were one forgotten, it would go to this one.
            try bed.serveBoth([4])
            try ConnectionTests.goOn(begun, bed, .tcp, build.mode)
            #expect(Set(try bed.counters().keys) == ["unconfirmed_connection_evicted"])
        }

        @Test("confirmed connections keep backend and port under a flood of UDP packets", arguments: Build.allCases)
        func floodOfUDP(build: Build) throws {
            let bed = try Self.small(build)
            let begun = try Self.confirmed(50, bed, .udp, build.mode)
            #expect(try Self.flood(3000, bed, .udp) == [.transmit: 3000])
            try bed.serveBoth([4])
            try ConnectionTests.goOn(begun, bed, .udp, build.mode)
        }

        @Test(
            "a connection that another processor has just used is not taken for an ended one", arguments: Build.ofSNAT)
        func floodAtTheTurnOfATick(build: Build) throws {
            let bed = try Self.small(build)
            let begun = try Self.confirmed(50, bed, .tcp, build.mode)
            try bed.pass(UInt32.max)
            #expect(try Self.flood(2000, bed, .tcp) == [.transmit: 2000])
            try bed.pass(1)
            // Read from the table: forwarding them would begin the lost ones anew.
            let kept = try Set(bed.connections().map(\.client.port))
            let lost = begun.keys.filter { !kept.contains($0) }
            #expect(lost.isEmpty, "\(lost.count) of \(begun.count) lost")
        }

        @Test(
            "more connections than there is room for are still forwarded, to the backends of the Maglev table",
            arguments: Build.allCases, protocols)
        func overfull(build: Build, transport: TransportProtocol) throws {
            let bed = try Self.small(build)
            for number in 0..<1500 {
                let request = Self.stranger(number, transport)
                #expect(try bed.forward(request, build.mode).destination == ChoiceTests.expected(request, bed))
            }
            #expect(try bed.counters().keys.map { $0 } == ["unconfirmed_connection_evicted"])
            #expect(try bed.connections().count == Self.places)
        }

        @Test("of the connections that were never confirmed, the oldest make room first", arguments: Build.allCases)
        func oldestFirst(build: Build) throws {
            // Each processor looks for the oldest by itself.
            let pin = PinnedThread()
            let bed = try Self.small(build)
            let share = Self.places / 2
            let requests = ChoiceTests.strangers(share * 3, .tcp)
            // The table has room for two of these three.
            for age in 0..<3 {
                for request in requests[age * share..<(age + 1) * share] { try bed.forward(request, build.mode) }
                if age < 2 { try bed.pass(5) }
            }
            let kept = try Set(bed.connections().map(\.client))
            let lost = (0..<3).map { age in
                requests[age * share..<(age + 1) * share].count { !kept.contains($0.sourceEndpoint) }
            }
            #expect(lost == [share, 0, 0])
            _ = consume pin
        }

        @Test(
            "where all are confirmed, a new SNAT connection is refused and no old one is lost", arguments: Build.ofSNAT)
        func fullOfConfirmed(build: Build) throws {
            let bed = try Self.small(build)
            var begun: [(request: Packet, out: Packet)] = []
            var refused: UInt64 = 0
            for number in 0..<600 {
                let request = Self.stranger(number, .tcp)
                guard try bed.send(request).verdict == .transmit else {
                    refused += 1
                    continue
                }
                let out = try bed.forward(request, .snat)
                try bed.answer(out, [.syn, .ack], to: request)
                begun.append((request, out))
            }
            #expect(begun.count == Self.places)
            #expect(try bed.counters() == ["flow_table_full": refused])
            for (request, out) in begun {
                #expect(try bed.forward(request, .snat).ports == out.ports)
                try bed.answer(out, to: request)
            }
        }

        @Test(
            "where all are confirmed, a new DSR connection takes an old one's place, and that is counted",
            arguments: Build.ofDSR)
        func fullOfConfirmedDSR(build: Build) throws {
            let bed = try Self.small(build)
            func begin(_ number: Int) throws {
                let request = Self.stranger(number, .tcp)
                for _ in 0..<4 { try bed.forward(request, .dsr) }
            }
            func confirm(_ number: Int) throws {
                let request = Self.stranger(number, .tcp)
                #expect(try bed.forward(request, .dsr).destination == ChoiceTests.expected(request, bed))
            }
            for number in 0..<Self.places { try begin(number) }
            try bed.pass(4)
            for number in 0..<Self.places { try confirm(number) }
            #expect(try bed.counters() == [:])
            // A flood takes the place of one of them, and then its own.
            for number in 1000..<1500 { try begin(number) }
            #expect(try bed.counters() == ["dsr_connection_evicted": 1, "unconfirmed_connection_evicted": 499])
            #expect(try bed.connections().count == Self.places)
            // Those that stay take a place each.
            for number in 2000..<2010 {
                try begin(number)
                try bed.pass(4)
                try confirm(number)
            }
            #expect(
                try bed.counters() == ["dsr_connection_evicted": 10, "unconfirmed_connection_evicted": 500])
            #expect(try bed.connections().count == Self.places)
        }

        @Test(
            "the agent reads both directions of a connection, and they name each other", arguments: Build.allCases,
            protocols)
        func read(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            let request = Packet.request(transport)
            let out = try bed.forward(request, build.mode)
            for _ in 0..<2 {
                let flows = bed.maps.flowTable.read()
                #expect(flows.count == (build.mode == .snat ? 2 : 1))
                let (slot, flow) = try #require(flows.first { $0.value.kind != .reply })
                #expect((flow.source, flow.destination) == (request.sourceEndpoint, request.destinationEndpoint))
                #expect(flow.stamp == (try bed.now()))
                guard build.mode == .snat else { continue }
                let reply = try #require(flows[flow.peer])
                #expect(reply.peer == slot)
                #expect((reply.source, reply.destination) == (out.destinationEndpoint, out.sourceEndpoint))
                #expect(flow.translated == out.sourceEndpoint)
                #expect(reply.backend == flow.backend)
            }
        }

        @Test(
            "a slot that the agent frees is free, unless its connection has gone on", arguments: Build.allCases,
            protocols)
        func free(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            let request = Packet.request(transport, payload: [1, 2, 3])
            try bed.forward(request, build.mode)
            let table = bed.maps.flowTable
            for (slot, flow) in table.read() {
                #expect(table.free(slot, stamp: flow.stamp &- 1) == nil)
                #expect(table.read()[slot] != nil)
            }
            try bed.forward(request, build.mode)
            #expect(try bed.connections().map(\.packets) == [2])
            for (slot, flow) in table.read() {
                let gone = try #require(table.free(slot, stamp: flow.stamp))
                #expect(gone.packets == (flow.kind == .reply ? 0 : 2))
                #expect(table.free(slot, stamp: flow.stamp) == nil)
            }
            #expect(table.read().isEmpty)
            try bed.serveBoth([2])
            #expect(try bed.forward(request, build.mode).destination == Place.backend(2).address)
            #expect(try bed.connections().map(\.packets) == [1])
        }

        @Test("connections are found beside others that the agent has freed", arguments: Build.allCases)
        func foundBesideFree(build: Build) throws {
            let bed = try Self.small(build)
            let begun = try ConnectionTests.begin(build.mode == .snat ? 100 : 200, bed, .tcp, build.mode)
            let flows = bed.maps.flowTable.read()
            // Every other connection goes, both of its directions.
            var kept: [UInt16: Packet] = [:]
            for (slot, flow) in flows where flow.kind != .reply {
                guard flow.source.port % 2 == 0 else {
                    kept[flow.source.port] = begun[flow.source.port]
                    continue
                }
                #expect(bed.maps.flowTable.free(slot, stamp: flow.stamp) != nil)
                guard let peer = flows[flow.peer], flow.kind == .snat else { continue }
                #expect(bed.maps.flowTable.free(flow.peer, stamp: peer.stamp) != nil)
            }
            #expect(kept.count == begun.count / 2)
            try bed.serveBoth([4])
            try ConnectionTests.goOn(kept, bed, .tcp, build.mode)
        }

        @Test(
            "the agent finds every connection of a crowded table, and none after it has freed them",
            arguments: Build.allCases)
        func readAll(build: Build) throws {
            let bed = try Testbed(build, connections: 4096)
            try bed.serveBoth()
            for number in 0..<2000 { try bed.forward(Self.stranger(number, .tcp), build.mode) }
            #expect(try bed.connections().count == 2000)
            let flows = bed.maps.flowTable.read()
            #expect(flows.count == (build.mode == .snat ? 4000 : 2000))
            for (slot, flow) in flows { #expect(bed.maps.flowTable.free(slot, stamp: flow.stamp) != nil) }
            #expect(bed.maps.flowTable.read().isEmpty)
            for number in 0..<2000 { try bed.forward(Self.stranger(number, .tcp), build.mode) }
            #expect(try bed.connections().count == 2000)
            #expect(try bed.counters() == [:])
        }
    }
}
