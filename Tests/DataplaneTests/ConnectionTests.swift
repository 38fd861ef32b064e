import Addresses
import Balancer
import Testing

/// Which backend and which mode a connection's packets get, over its whole life.
extension PacketTests {
    @Suite struct ConnectionTests {
        static let protocols = TransportProtocol.allCases

        /// Begins connections from the ports 40000 and on; gives what each packet became.
        static func begin(_ count: Int, _ bed: Testbed, _ transport: TransportProtocol, _ mode: Mode) throws -> [UInt16:
            Packet]
        {
            var begun: [UInt16: Packet] = [:]
            for port in 40000..<40000 + UInt16(count) {
                begun[port] = try bed.forward(.request(transport, from: port), mode)
            }
            return begun
        }

        /// Every connection's next packet gets the same backend, mode and SNAT port as the first one.
        static func goOn(_ begun: [UInt16: Packet], _ bed: Testbed, _ transport: TransportProtocol, _ mode: Mode) throws
        {
            for (port, first) in begun {
                let next = try bed.forward(.request(transport, from: port, .ack, payload: [1]), mode)
                #expect((next.destination, next.ports) == (first.destination, first.ports))
            }
        }

        @Test("a connection stays with its backend when backends join", arguments: Build.allCases, protocols)
        func join(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            let begun = try Self.begin(40, bed, transport, build.mode)
            try bed.serveBoth([1, 2, 3, 4])
            try Self.goOn(begun, bed, transport, build.mode)
            let fresh = try (50000..<50040).map {
                try bed.forward(.request(transport, from: $0), build.mode).destination
            }
            #expect(Set(fresh).count == 4)
        }

        @Test(
            "a connection stays with its backend when that backend leaves the service", arguments: Build.allCases,
            protocols)
        func leave(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            let begun = try Self.begin(40, bed, transport, build.mode)
            #expect(Set(begun.values.map(\.destination)).count == 4)
            try bed.serveBoth([4])
            try Self.goOn(begun, bed, transport, build.mode)
            for port in UInt16(50000)..<50020 {
                let fresh = try bed.forward(.request(transport, from: port), build.mode)
                #expect(fresh.destination == Place.backend(4).address)
            }
        }

        @Test("a connection goes on when its service is deleted", arguments: Build.allCases, protocols)
        func deleted(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            let begun = try Self.begin(10, bed, transport, build.mode)
            for id in bed.state.services.keys { _ = try bed.state.delete(id: id, origin: .command) }
            try bed.apply()
            try Self.goOn(begun, bed, transport, build.mode)
            #expect(try bed.send(.request(transport, from: 50000)).verdict == .pass)
        }

        @Test("a draining backend keeps its connections and gets no new ones", arguments: Build.allCases, protocols)
        func draining(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1, 2])
            let begun = try Self.begin(20, bed, transport, build.mode)
            try bed.serveBoth([1, 2], states: "draining,active")
            try Self.goOn(begun, bed, transport, build.mode)
            for port in UInt16(50000)..<50020 {
                let fresh = try bed.forward(.request(transport, from: port), build.mode)
                #expect(fresh.destination == Place.backend(2).address)
            }
        }

        @Test("connections go on when no backend takes new ones", arguments: Build.allCases, protocols)
        func allDraining(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            let begun = try Self.begin(10, bed, transport, build.mode)
            try bed.serveBoth([1], states: "draining")
            try Self.goOn(begun, bed, transport, build.mode)
            #expect(try bed.send(.request(transport, from: 50000)).verdict == .drop)
            #expect(try bed.counters() == ["no_backend": 1])
        }

        @Test("the connections of a backend in maintenance choose anew, once", arguments: Build.allCases, protocols)
        func maintenance(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1, 2])
            let begun = try Self.begin(40, bed, transport, build.mode)
            try bed.serveBoth([1, 2], states: "maintenance,active")
            for (port, first) in begun {
                let request = Packet.request(transport, from: port, .ack, payload: [1])
                let next = try bed.forward(request, build.mode)
                #expect(next.destination == Place.backend(2).address)
                if first.destination == Place.backend(2).address { #expect(next.ports == first.ports) }
                #expect(try bed.forward(request, build.mode).ports == next.ports)
            }
            #expect(try bed.connections().count == 40)
        }

        @Test("a backend in maintenance gets no packet when there is no other", arguments: Build.allCases, protocols)
        func onlyMaintenance(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            _ = try Self.begin(1, bed, transport, build.mode)
            try bed.serveBoth([1], states: "maintenance")
            #expect(try bed.send(.request(transport, .ack)).verdict == .drop)
            #expect(try bed.counters() == ["no_backend": 1])
        }

        @Test(
            "a connection stays in the mode it began in, and new ones get the new mode",
            arguments: [Build.bothInSNAT, .bothInDSR], protocols)
        func modeUpdate(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            let other: Mode = build.mode == .snat ? .dsr : .snat
            try bed.serveBoth()
            let begun = try Self.begin(20, bed, transport, build.mode)
            try bed.updateMode(other)
            try Self.goOn(begun, bed, transport, build.mode)
            for port in UInt16(50000)..<50020 { try bed.forward(.request(transport, from: port), other) }
            #expect(try bed.connections().filter { $0.mode == other }.count == 20)
            #expect(try bed.connections().filter { $0.mode == build.mode }.count == 20)
        }

        @Test(
            "connections of one mode go on under the program of both modes", arguments: [Build.snat, .dsr], protocols)
        func replacedProgram(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth()
            let begun = try Self.begin(20, bed, transport, build.mode)
            try bed.loadAnew(Paths([.snat, .dsr]))
            try bed.updateMode(build.mode == .snat ? .dsr : .snat)
            try Self.goOn(begun, bed, transport, build.mode)
        }

        @Test(
            "a connection whose mode the program no longer has begins anew", arguments: [Build.snat, .dsr], protocols)
        func pathGone(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            let other: Mode = build.mode == .snat ? .dsr : .snat
            try bed.serveBoth()
            _ = try Self.begin(5, bed, transport, build.mode)
            try bed.updateMode(other)
            try bed.loadAnew(Paths([other]))
            for port in UInt16(40000)..<40005 { try bed.forward(.request(transport, from: port, .ack), other) }
            #expect(try bed.connections().map(\.mode) == [Mode](repeating: other, count: 5))
        }

        @Test(
            "a TCP packet in mid-stream without a connection begins one, for the backend to refuse",
            arguments: Build.allCases)
        func midStream(build: Build) throws {
            let bed = try Testbed(build)
            try bed.serve()
            let request = Packet.request(.tcp, .ack, payload: [1])
            let out = try bed.forward(request, build.mode)
            if build.mode == .snat { try bed.answer(out, .rst, to: request) }
            #expect(try bed.connections().count == 1)
        }

        @Test("an idle connection that has ended begins anew", arguments: Build.allCases, protocols)
        func expired(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            let begun = try Self.begin(1, bed, transport, build.mode)
            try bed.serveBoth([2])
            let timeout = transport == .tcp ? Programs.Ticks.syn : Programs.Ticks.udp
            try bed.pass(timeout)
            try Self.goOn(begun, bed, transport, build.mode)
            try bed.pass(Programs.Ticks.established + 1)
            let next = try bed.forward(.request(transport, .ack), build.mode)
            #expect(next.destination == Place.backend(2).address)
            #expect(try bed.connections().map(\.packets) == [1])
        }

        @Test("time passes by itself", arguments: Build.allCases)
        func time(build: Build) async throws {
            // As in the agent, a tick is a part of a second; 0.5 s, 2 s or 5 s until the end, by the kernel's HZ.
            let bed = try Testbed(build) {
                $0.clock_shift = Clock(hertz: 250).shift
                $0.timeouts = (8, 8, 8, 8)
            }
            try bed.serve("40.1.1.1:80", [1])
            let start = try bed.now()
            try bed.forward(.request(), build.mode)
            try bed.serve("40.1.1.1:80", [2])
            let next = try bed.forward(.request(), build.mode).destination
            if try bed.now() &- start <= 8 { #expect(next == Place.backend(1).address) }
            let last = try bed.now()
            while try bed.now() &- last <= 8 { try await Task.sleep(for: .milliseconds(50)) }
            #expect(try bed.forward(.request(), build.mode).destination == Place.backend(2).address)
        }

        @Test(
            "a packet that another processor overtook at the turn of a tick stays with its connection",
            arguments: Build.allCases, protocols)
        func overtaken(build: Build, transport: TransportProtocol) throws {
            let bed = try Testbed(build)
            try bed.serveBoth([1])
            let begun = try Self.begin(1, bed, transport, build.mode)
            try bed.serveBoth([2])
            // The slot's stamp is one tick ahead of what this packet's processor has read.
            try bed.pass(UInt32.max)
            try Self.goOn(begun, bed, transport, build.mode)
        }
    }
}
