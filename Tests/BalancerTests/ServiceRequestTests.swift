import Addresses
import Balancer
import Testing

@Suite struct ServiceRequestTests {
    @Test("what is left out takes its default")
    func defaults() throws {
        let request = try request("40.1.1.1:80", "20.1.1.10:8080")
        #expect(request.id == nil)
        #expect(request.frontend == Frontend("40.1.1.1:80", .tcp))
        #expect(request.backends == [Backend("20.1.1.10:8080", weight: 1, state: .active)])
        #expect(request.algorithm == .maglev)
        #expect(request.affinity == nil)
        #expect(request.sourceRanges.isEmpty)
    }

    @Test("everything that is given is taken, the backends in their order")
    func full() throws {
        let request = try request(
            "40.1.1.1:53/udp", "20.1.1.20:53,20.1.1.10:53,20.1.1.10:54", id: "65535", weights: "0,65535,7",
            states: "active,draining,maintenance", algorithm: "random", affinity: "86400",
            sourceRanges: "10.0.0.0/8,0.0.0.0/0,192.0.2.1")
        #expect(request.id == 65535)
        #expect(request.frontend == Frontend("40.1.1.1:53", .udp))
        #expect(
            request.backends == [
                Backend("20.1.1.20:53", weight: 0, state: .active),
                Backend("20.1.1.10:53", weight: 65535, state: .draining),
                Backend("20.1.1.10:54", weight: 7, state: .maintenance),
            ])
        #expect(request.algorithm == .random)
        #expect(request.affinity == 86_400)
        #expect(request.sourceRanges.map(\.description) == ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32"])
    }

    @Test(
        "affinity without seconds is three hours",
        arguments: [("", 10_800), ("1", 1), ("10800", 10_800), ("86400", 86_400)] as [(String, UInt32)])
    func affinity(text: String, seconds: UInt32) throws {
        #expect(try request("40.1.1.1:80", affinity: text).affinity == seconds)
    }

    @Test(
        "a frontend is written with its protocol",
        arguments: [
            ("40.1.1.1:80", "40.1.1.1:80/tcp"), ("40.1.1.1:80/tcp", "40.1.1.1:80/tcp"),
            ("40.1.1.1:80/udp", "40.1.1.1:80/udp"), ("40.1.1.1:65535/udp", "40.1.1.1:65535/udp"),
            ("[2001:DB8::1]:80", "[2001:db8::1]:80/tcp"),
        ])
    func frontends(text: String, canonical: String) throws {
        let frontend = try #require(Frontend(text))
        #expect(frontend.description == canonical)
        #expect(Frontend(canonical) == frontend)
    }

    @Test(
        "what only looks like a frontend is none",
        arguments: [
            "", "/", "/tcp", "40.1.1.1:80/", "40.1.1.1:80/TCP", "40.1.1.1:80/sctp", "40.1.1.1:80/6",
            "40.1.1.1:80/tcp/udp", "40.1.1.1:80/tcp ", "40.1.1.1:80 /tcp", "40.1.1.1/tcp", "40.1.1.1:0/tcp", "*:80",
        ])
    func noFrontends(text: String) {
        #expect(Frontend(text) == nil)
    }

    @Test("frontends are ordered by address, port and protocol")
    func order() {
        let sorted: [Frontend] = ["9.0.0.1:80", "40.1.1.1:53/tcp", "40.1.1.1:53/udp", "40.1.1.1:80/tcp"]
        #expect(sorted.reversed().sorted() == sorted)
    }

    @Test("65536 backends are read, and one more is refused")
    func longestList() throws {
        let texts = (0..<65_537).map { "20.\(1 + $0 >> 16).\($0 >> 8 & 255).\($0 & 255):80" }
        #expect(try request("40.1.1.1:80", texts.dropLast().joined(separator: ",")).backends.count == 65_536)
        for option in ["--backends", "--backend-weights", "--states", "--source-ranges"] {
            let many = String(repeating: ",", count: 65_536)
            let error = refusal {
                _ = try request(
                    "40.1.1.1:80", option == "--backends" ? texts.joined(separator: ",") : "20.1.1.1:80",
                    weights: option == "--backend-weights" ? many : nil, states: option == "--states" ? many : nil,
                    sourceRanges: option == "--source-ranges" ? many : nil)
            }
            #expect(error == .usage("\(option): more than 65536 items"))
        }
    }

    @Test("a backend takes connections when it is active and has a weight")
    func takesConnections() {
        for state in BackendState.allCases {
            #expect(!Backend("20.1.1.1:80", weight: 0, state: state).takesConnections)
            #expect(Backend("20.1.1.1:80", weight: 1, state: state).takesConnections == (state == .active))
        }
    }
}
