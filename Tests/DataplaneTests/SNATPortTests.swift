import Addresses
import Balancer
import Testing

@testable import Agent

/// One port per protocol, balancer's address and backend.
extension PacketTests {
    @Suite struct SNATPortTests {
        static let protocols = TransportProtocol.allCases

        @Test(
            "clients that share a backend get ports of their own, those of other backends may share them",
            arguments: Build.ofSNAT)
        func unique(build: Build) throws {
            let ports = [UInt16](30000..<30400)
            let bed = try Testbed(build, connections: 4096, snatPorts: ports)
            try bed.serveBoth([1, 2])
            var given: [String: Set<UInt16>] = [:]
            for transport in Self.protocols {
                for number in UInt16(0)..<500 {
                    let out = try bed.forward(.request(transport, from: 10000 + number), .snat)
                    let isFresh = given["\(out.destination)/\(transport)", default: []].insert(out.ports.source)
                        .inserted
                    #expect(isFresh, "port \(out.ports.source) of \(out.destination)/\(transport)")
                }
            }
            #expect(given.values.map(\.count).reduce(0, +) == 1000)
            #expect(given.values.reduce(Set()) { $0.union($1) }.isSubset(of: ports))
        }

        @Test("two services with the same backend never share a port towards it", arguments: Build.ofSNAT)
        func twoServices(build: Build) throws {
            let bed = try Testbed(build, snatPorts: [UInt16](30000..<30100))
            try bed.serve("40.1.1.1:80", [1])
            try bed.serve("40.1.1.1:81", [1])
            var given: Set<UInt16> = []
            for number in UInt16(0)..<90 {
                let request = Packet.request(from: 10000 + number, to: 80 + number % 2)
                let out = try bed.forward(request, .snat)
                #expect(given.insert(out.ports.source).inserted)
                try bed.answer(out, [.syn, .ack], to: request)
            }
        }

        @Test(
            "when the ports are used up new connections are dropped and counted, and the others go on",
            arguments: Build.ofSNAT, protocols)
        func usedUp(build: Build, transport: TransportProtocol) throws {
            let ports = [UInt16](30000..<30008)
            let bed = try Testbed(build, snatPorts: ports)
            try bed.serveBoth([1])
            var begun: [(request: Packet, out: Packet)] = []
            for number in UInt16(0)..<8 {
                let request = Packet.request(transport, from: 10000 + number)
                begun.append((request, try bed.forward(request, .snat)))
            }
            #expect(Set(begun.map(\.out.ports.source)) == Set(ports))
            for number in UInt16(0)..<20 {
                #expect(try bed.send(.request(transport, from: 20000 + number)).verdict == .drop)
            }
            #expect(try bed.counters() == ["snat_ports_used_up": 20])
            for (request, out) in begun {
                let next = Packet.request(transport, from: request.ports.source, .ack)
                #expect(try bed.forward(next, .snat).ports == out.ports)
                try bed.answer(out, [.syn, .ack], to: request)
            }
            #expect(try bed.connections().count == 8)
            // The other protocol has ports of its own.
            try bed.forward(.request(transport == .tcp ? .udp : .tcp), .snat)
        }

        @Test("another backend's ports are not used up with those of the first", arguments: Build.ofSNAT)
        func perBackend(build: Build) throws {
            let bed = try Testbed(build, snatPorts: [UInt16](30000..<30004))
            try bed.serve("40.1.1.1:80", [1])
            try bed.serve("40.1.1.1:81", [2])
            for number in UInt16(0)..<8 { _ = try bed.send(.request(from: 10000 + number)) }
            #expect(try bed.counters() == ["snat_ports_used_up": 4])
            for number in UInt16(0)..<4 { try bed.forward(.request(from: 10000 + number, to: 81), .snat) }
        }

        @Test(
            "ports of connections that have ended by themselves are given out again", arguments: Build.ofSNAT, protocols
        )
        func expired(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build, snatPorts: [UInt16](30000..<30008))
            try bed.serveBoth([1])
            for number in UInt16(0)..<9 { _ = try bed.send(.request(transport, from: 10000 + number)) }
            #expect(try bed.counters() == ["snat_ports_used_up": 1])
            try bed.pass(Programs.Ticks.established)
            for number in UInt16(0)..<8 { try bed.forward(.request(transport, from: 20000 + number), .snat) }
            #expect(try bed.counters() == ["snat_ports_used_up": 1])
        }

        /// 16 ports, the first connection closed; gives its port.
        static func closeOne(_ bed: Testbed) throws -> UInt16 {
            try bed.serve("40.1.1.1:80", [1])
            let request = Packet.request(from: 9999)
            let out = try bed.forward(request, .snat)
            try bed.answer(out, [.syn, .ack], to: request)
            try bed.forward(.request(from: 9999, .rst), .snat)
            return out.ports.source
        }

        @Test("a closed connection's port is not given out again while others are free", arguments: Build.ofSNAT)
        func rests(build: Build) throws {
            let bed = try Testbed(build, snatPorts: [UInt16](30000..<30016))
            let closed = try Self.closeOne(bed)
            try bed.pass(Programs.Ticks.closing + 20)
            for number in UInt16(0)..<15 {
                #expect(try bed.forward(.request(from: 10000 + number), .snat).ports.source != closed)
            }
            #expect(try bed.counters() == [:])
        }

        @Test("a resting port is used when no other is free, and that is counted", arguments: Build.ofSNAT)
        func early(build: Build) throws {
            let bed = try Testbed(build, snatPorts: [UInt16](30000..<30016))
            let closed = try Self.closeOne(bed)
            for number in UInt16(0)..<15 {
                #expect(try bed.forward(.request(from: 10000 + number), .snat).ports.source != closed)
            }
            // Its last packets may still be on their way.
            #expect(try bed.send(.request(from: 11000)).verdict == .drop)
            try bed.pass(Programs.Ticks.closing + 20)
            #expect(try bed.forward(.request(from: 11000), .snat).ports.source == closed)
            #expect(try bed.counters() == ["snat_ports_used_up": 1, "snat_port_reused_early": 1])
        }

        @Test("a port that has rested is free like any other", arguments: Build.ofSNAT)
        func rested(build: Build) throws {
            let bed = try Testbed(build, snatPorts: [UInt16](30000..<30001))
            let closed = try Self.closeOne(bed)
            try bed.pass(Programs.Ticks.portRest)
            #expect(try bed.forward(.request(), .snat).ports.source == closed)
            #expect(try bed.counters() == [:])
        }

        @Test("a backend's late packets of a closed connection still reach its client", arguments: Build.ofSNAT)
        func lateReply(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve("40.1.1.1:80", [1])
            let request = Packet.request()
            let old = try bed.forward(request, .snat)
            try bed.answer(old, [.syn, .ack], to: request)
            try bed.forward(.request(.tcp, [.fin, .ack]), .snat)
            try bed.answer(old, [.fin, .ack], to: request)
            try bed.forward(.request(.tcp, .ack), .snat)
            try bed.answer(old, [.fin, .ack], payload: [], to: request)
        }
    }
}
