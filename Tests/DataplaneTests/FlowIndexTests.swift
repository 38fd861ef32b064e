import Addresses
import BPF
import Balancer
import CDataplane
import Testing

@testable import Agent

/// Where connections lie, and the index that finds them while its size changes.
extension PacketTests {
    @Suite struct FlowIndexTests {
        struct Row: CustomTestStringConvertible {
            var build: Build
            var isIPv6: Bool
            var testDescription: String { "\(build.testDescription), \(isIPv6 ? "IPv6" : "IPv4")" }
        }

        static let rows = [Build.snat, .dsr].flatMap { build in [false, true].map { Row(build: build, isIPv6: $0) } }

        /// A table with a service, and what lies in its maps.
        struct Fixture {
            let bed: Testbed
            let table: RawTable
            let row: Row

            init(_ row: Row, connections: Int = 256) throws {
                self.row = row
                bed = try Testbed(row.build, ipv6: row.isIPv6, connections: connections)
                table = try RawTable(bed.maps, isIPv6: row.isIPv6)
                try serve([1, 2, 3])
            }

            func serve(_ backends: [Int]) throws {
                try bed.serve(row.isIPv6 ? "[\(Place.frontend6)]:80" : "\(Place.frontend):80", backends)
            }

            func request(_ port: UInt16, _ flags: TCP.Flags = .syn) -> Packet {
                .request(from: port, of: row.isIPv6 ? .client6 : .client, flags)
            }

            func begin(_ ports: Range<UInt16>) throws -> [UInt16: Packet] {
                var begun: [UInt16: Packet] = [:]
                for port in ports { begun[port] = try bed.forward(request(port), row.build.mode) }
                return begun
            }

            /// Begins connections that are never evicted.
            func confirm(_ ports: Range<UInt16>) throws -> [UInt16: Packet] {
                let begun = try begin(ports)
                for (port, out) in begun {
                    if row.build.mode == .snat { try bed.answer(out, [.syn, .ack], to: request(port)) }
                    for _ in 0..<3 { try bed.forward(request(port, .ack), row.build.mode) }
                }
                try bed.pass(4)
                try goOn(begun)
                return begun
            }

            /// A connection that is not found goes to backend 4, or is seen by its port.
            func goOn(_ begun: [UInt16: Packet], _ comment: Comment? = nil) throws {
                try serve([4])
                for (port, first) in begun {
                    let next = try bed.forward(request(port, .ack), row.build.mode, comment)
                    #expect((next.destination, next.ports) == (first.destination, first.ports), comment)
                    if row.build.mode == .snat { try bed.answer(next, to: request(port)) }
                }
                try serve([1, 2, 3])
            }
        }

        @Test("connections lie densely, and take the lowest places that have been freed", arguments: rows)
        func dense(row: Row) throws {
            let fixture = try Fixture(row)
            let table = fixture.table
            _ = try fixture.begin(40000..<40100)
            #expect(table.usedPlaces == Array(0..<100))
            table.expectWhole()
            // Every other connection ends.
            for (slot, flow) in table.read() where slot % 2 == 0 { #expect(table.free(slot, flow.stamp) != nil) }
            #expect(table.usedPlaces == (0..<100).filter { $0 % 2 == 1 })
            table.settle(table.read().count)
            _ = try fixture.begin(41000..<41030)
            #expect(table.usedPlaces == (0..<100).filter { $0 % 2 == 1 || $0 < 60 })
            table.expectWhole()
            #expect(try fixture.bed.connections().count == 80)
        }

        @Test("connections are found while the index grows and shrinks, and replies too", arguments: rows)
        func resize(row: Row) throws {
            let fixture = try Fixture(row, connections: 4096)
            let table = fixture.table
            var begun = try fixture.begin(40000..<40400)
            table.expectWhole()
            for (number, size) in [256, 1024, 512, 2048].enumerated() {
                // Half-way: the agent has told the new size and moved nothing yet.
                table.setMasks(UInt32(size - 1), old: UInt32(table.index.count - 1))
                try fixture.goOn(begun, "on the way to \(size)")
                let ports = UInt16(41000 + number * 10)..<UInt16(41010 + number * 10)
                begun.merge(try fixture.begin(ports)) { $1 }
                let (slot, flow) = try #require(table.read().first { $0.value.source.port == 40000 + UInt16(number) })
                #expect(table.free(slot, flow.stamp) != nil)
                begun[40000 + UInt16(number)] = nil
                try fixture.goOn(begun, "on the way to \(size), changed")
                table.index.resize(to: size, use: table.use)
                #expect(table.index.count == size)
                table.expectWhole("\(size)")
                try fixture.goOn(begun, "\(size)")
            }
            #expect(try fixture.bed.counters() == [:])
        }

        @Test("the index is as large as its connections need", arguments: rows)
        func fit(row: Row) throws {
            let fixture = try Fixture(row, connections: 4096)
            let table = fixture.table
            let begun = try fixture.begin(40000..<40300)
            table.index.resize(to: 256, use: table.use)
            table.settle(table.read().count)
            #expect(table.index.count == table.index.size.start)
            table.expectWhole()
            try fixture.goOn(begun)
        }

        /// As fast as the program takes them; all of the flows in turn.
        static func send(_ packets: BenchTraffic, to program: BPFProgram, count: Int) async throws -> RepeatedRun {
            try BenchDriver(clang: try Programs.clang.get()).send(packets, to: program, count: count)
        }

        @Test("packets on another processor find their connections while the index changes", arguments: rows)
        func resizeUnderTraffic(row: Row) async throws {
            let mode = row.build.mode
            var options = AgentOptions(mode: mode, devices: [])
            options.flowTableSize = 4096
            options.maglevSize = Programs.maglevSize
            var memory = PlanMemory()
            let target = try BenchTarget(
                BenchProgram(modes: [mode], mode: mode, isIPv6: row.isIPv6), options: options,
                clang: try Programs.clang.get(), clock: Clock(hertz: 250), memory: &memory)
            let table = try RawTable(target.maps, isIPv6: row.isIPv6)
            let flows = 512
            let packets = BenchTraffic(
                frame: PacketFrame.tcp(from: target.places.client(0), to: target.places.frontend(ofFlow: 0), .ack),
                isIPv6: row.isIPv6, flows: UInt64(flows), head: mode == .dsr ? PacketFrame.ipHeader(row.isIPv6) : 0)
            let program = target.program
            _ = try await Self.send(packets, to: program, count: flows)
            #expect(table.usedPlaces.count == flows)
            async let sent = Self.send(packets, to: program, count: 3_000_000)
            for _ in 0..<20 {
                for size in [256, 2048] { table.index.resize(to: size, use: table.use) }
            }
            #expect(Verdict(rawValue: try await sent.verdict) == .transmit)
            #expect(try target.dropNames() == "")
            // One that is not found begins again, at another place.
            #expect(table.usedPlaces.count == flows)
            table.expectWhole()
        }

        @Test("an index that would be too small for its confirmed connections stays as it is", arguments: rows)
        func tooSmall(row: Row) throws {
            let fixture = try Fixture(row, connections: 4096)
            let table = fixture.table
            let begun = try fixture.confirm(40000..<40300)
            table.index.resize(to: 16, use: table.use)
            #expect(table.index.count == 2048)
            table.expectWhole()
            try fixture.goOn(begun)
        }

        @Test(
            "where a bucket is full, unconfirmed connections make room, in SNAT confirmed ones never",
            arguments: rows)
        func fullBucket(row: Row) throws {
            let fixture = try Fixture(row)
            let table = fixture.table
            table.setMasks(0, old: 0)
            let most = row.build.mode == .snat ? 8 : 16
            let begun = try fixture.confirm(40000..<UInt16(40000 + most / 2))
            _ = try fixture.begin(41000..<41200)
            #expect(table.names.keys.allSatisfy { $0 == 0 })
            #expect(try Set(fixture.bed.counters().keys) == ["unconfirmed_connection_evicted"])
            try fixture.goOn(begun)
            #expect(table.usedPlaces.count <= most)

            let full = try Fixture(row)
            full.table.setMasks(0, old: 0)
            let all = try full.confirm(40000..<UInt16(40000 + most))
            if row.build.mode == .snat {
                for port in UInt16(41000)..<41020 { #expect(try full.bed.send(full.request(port)).verdict == .drop) }
                #expect(try full.bed.counters() == ["flow_table_full": 20])
                try full.goOn(all)
            } else {
                _ = try full.begin(41000..<41020)
                #expect(
                    try full.bed.counters() == ["dsr_connection_evicted": 1, "unconfirmed_connection_evicted": 19])
            }
            #expect(full.table.usedPlaces.count == most)
        }

        @Test("the port of a closed connection rests while its client goes on with another one")
        func half() throws {
            for row in Self.rows where row.build.mode == .snat {
                let fixture = try Fixture(row)
                let (bed, table) = (fixture.bed, fixture.table)
                let first = try #require(try fixture.confirm(40000..<40001)[40000])
                try bed.forward(fixture.request(40000, .rst), .snat)
                let second = try bed.forward(fixture.request(40000), .snat)
                #expect(second.ports.source != first.ports.source || second.destination != first.destination)
                // The first connection's place is held by its reply slot alone.
                #expect(table.usedPlaces == [0, 1])
                let resting = try #require(table.read()[256])
                #expect(Set(table.read().keys) == [256, 1, 257])
                #expect(resting.kind == .reply && resting.phase == .closing)
                #expect(FlowCensus(try bed.snapshot()).connections == [.snat: 1])
                table.expectWhole()
                #expect(table.free(256, resting.stamp) != nil)
                #expect(table.usedPlaces == [1])
                #expect(table.keptPlaces == [])
                table.settle(2)
                _ = try fixture.begin(41000..<41001)
                #expect(table.usedPlaces == [0, 1])
                table.expectWhole()
            }
        }

        @Test("a place that is marked as used and holds nothing is given back", arguments: rows)
        func markedAndEmpty(row: Row) throws {
            let fixture = try Fixture(row)
            let table = fixture.table
            _ = try fixture.begin(40000..<40003)
            table.markUsed(7)
            #expect(table.read().keys.allSatisfy { $0 % 256 < 3 })
            #expect(table.usedPlaces == [0, 1, 2])
        }

        @Test("nothing is left when all connections have been freed", arguments: rows, [false, true])
        func nothingLeft(row: Row, isMoving: Bool) throws {
            let fixture = try Fixture(row)
            let table = fixture.table
            _ = try fixture.confirm(40000..<40050)
            #expect(table.keptPlaces == Array(0..<50))
            if isMoving { table.setMasks(63, old: 127) }
            // More than there is room for.
            _ = try fixture.begin(41000..<41400)
            if row.build.mode == .snat {
                for port in UInt16(40000)..<40010 {
                    try fixture.bed.forward(fixture.request(port, .rst), .snat)
                    try fixture.bed.forward(fixture.request(port), .snat)
                }
            }
            table.freeAll()
            #expect(table.usedPlaces == [] && table.keptPlaces == [])
            #expect(table.names == [:])
            #expect(table.read().isEmpty)
        }
    }
}
