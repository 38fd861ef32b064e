import Foundation
import Testing

@testable import API

/// Requests that no server should carry out, the same ones in every run.
struct MalformedRequests {
    private var random: SeededNumbers

    init(seed: UInt64) {
        random = SeededNumbers(state: seed)
    }

    /// Sound but for one thing that no few changed bytes mend.
    private static let refused = [
        request(
            "POST", "/v1/services", #"{"frontend":"40.1.1.9:80","backends":[{"backend":"20.1.1.10:80"}],"unknown":1}"#),
        request("POST", "/v1/services", #"{"frontend":"40.1.1.1:80","backends":[],"own_mode":"nothing"}"#),
        request("PUT", "/v1/services/00000001", #"{"frontend":"????????","backends":[{"backend":"20.1.1.10:80"}]}"#),
        request("PUT", "/v1/mode", #"{"mode":"dddddddd"}"#), request("DELETE", "/v1/services/xxxxxxxx"),
        request("GET", "/v1/services"), request("GET", "/v1/services/1/connections"), request("GET", "/v1/status"),
    ]

    private static func request(_ method: String, _ path: String, _ body: String = "") -> [UInt8] {
        Array("\(method) \(path) HTTP/1.1\r\nHost: l4lb\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    }

    mutating func next() -> [UInt8] {
        var bytes = Self.refused.randomElement(using: &random) ?? []
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return noise(Int.random(in: 1...2000, using: &random))
        case 1: return Array(bytes.prefix(Int.random(in: 1..<bytes.count, using: &random)))
        case 2, 3, 4:
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            return bytes
        case 5:
            let lengths = ["-1", "1e3", "99999999999999999999", "5, 6", "0x10", "1048577", " "]
            return text(
                "POST /v1/services HTTP/1.1\r\nContent-Length: \(lengths.randomElement(using: &random) ?? "")\r\n\r\n{}"
            )
        case 6:
            let chunks = ["zz\r\n{}\r\n", "ffffffffffffffffff\r\n", "2\r\n{}", "2;x\r\n{}\r\n0\r\n\r\n", "-1\r\n"]
            let chunk = chunks.randomElement(using: &random) ?? ""
            return text("PUT /v1/mode HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\(chunk)")
        case 7:
            let line = String(repeating: "a", count: Int.random(in: 1...50_000, using: &random))
            return text(
                Bool.random(using: &random) ? "GET /\(line) HTTP/1.1\r\n\r\n" : "GET / HTTP/1.1\r\n\(line): b\r\n\r\n")
        case 8:
            // JSON that is none, or goes on for too deep, or is not text.
            let bodies = [
                noise(200), Array(repeating: UInt8(ascii: "["), count: 20_000), text(#"{"mode":"\ud800"}"#),
                text(#"{"frontend":1e999}"#), text(#"{"mode":"dsr""#), [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00],
                text("nul"),
                text(#"{"id":18446744073709551616,"frontend":"f","backends":[]}"#),
            ]
            let body = bodies.randomElement(using: &random) ?? []
            let place = Bool.random(using: &random) ? "PUT /v1/mode" : "POST /v1/services"
            return text("\(place) HTTP/1.1\r\nContent-Length: \(body.count)\r\n\r\n") + body
        default:
            let words = [
                "GET", "DELETE", "\u{0}", "HTTP/9.9", "/../../v1/mode", "//", "/v1/services/%00", " ", "\r\n", "*",
            ]
            return text(
                (0..<5).map { _ in words.randomElement(using: &random) ?? "" }.joined(separator: " ") + "\r\n\r\n")
        }
    }

    private mutating func noise(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    private func text(_ text: String) -> [UInt8] { Array(text.utf8) }
}

/// SplitMix64.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

@Suite struct MalformedTests {
    @Test("10,000 malformed requests lose nothing, and the server goes on answering")
    func malformed() async throws {
        try await withServer { file, balancer in
            let before = await balancer.state
            let threads = 4
            let statuses = try await withThrowingTaskGroup(of: [Int: Int].self) { group in
                for thread in 0..<threads {
                    group.addTask {
                        try await blocking { try send(10_000 / threads, seed: UInt64(thread), to: file.path) }
                    }
                }
                return try await group.reduce(into: [:]) { $0.merge($1) { $0 + $1 } }
            }
            // Most are refused in words; some bytes are no HTTP, some flips leave a request sound.
            #expect(statuses[400, default: 0] > 3000, "\(statuses)")
            #expect(statuses.keys.allSatisfy { (200..<500).contains($0) || $0 == 0 }, "\(statuses)")
            #expect(statuses[201] == nil)
            #expect(await balancer.state == before)
            #expect(try await exchange(file, "GET", "/healthz").status == 200)
            #expect(try await exchange(file, "GET", "/v1/services/1").status == 200)
        }
    }

    @Test("a client that is silent or slow keeps nobody else from being answered")
    func slow() async throws {
        try await withServer(bodyTime: .milliseconds(300)) { file, _ in
            let slow = try await blocking {
                try (0..<RunningServer.connectionLimit - 1).map { _ in
                    let connection = try RawConnection(file.path)
                    connection.send(Array("PUT /v1/mode HTTP/1.1\r\nContent-Length: 100\r\n\r\n{".utf8))
                    return connection
                }
            }
            #expect(try await exchange(file, "GET", "/healthz").status == 200)
            // One more than there may be waits until another has ended: here, in the time for a body and a second.
            let full = try await blocking { try RawConnection(file.path) }
            #expect(try await exchange(file, "GET", "/healthz").status == 200)
            for connection in slow {
                let answer = try #require(try await blocking { connection.receive() })
                #expect(Answer(answer)?.status == 408)
            }
            _ = full
        }
    }

    @Test("the server ends though a client has not finished its request, and lets no other wait")
    func end() async throws {
        let start = ContinuousClock.now
        var half: RawConnection?
        try await withServer(bodyTime: .seconds(600)) { file, _ in
            half = try await blocking {
                let connection = try RawConnection(file.path)
                connection.send(Array("PUT /v1/mode HTTP/1.1\r\nContent-Length: 100\r\n\r\n{".utf8))
                return connection
            }
            #expect(try await exchange(file, "GET", "/healthz").status == 200)
        }
        #expect(ContinuousClock.now - start < .seconds(60))
        _ = half
    }

    @Test("requests on one connection are answered one after the other")
    func pipelined() async throws {
        try await withServer { file, _ in
            let requests = Array(
                "GET /healthz HTTP/1.1\r\n\r\nGET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n".utf8)
            let received = try await blocking {
                let connection = try RawConnection(file.path)
                connection.send(requests)
                return connection.receive()
            }
            let text = String(decoding: try #require(received), as: UTF8.self)
            #expect(text.components(separatedBy: "HTTP/1.1 200 OK").count == 3)
            #expect(text.contains("healthy") && text.contains("ready"))
        }
    }
}

/// How often each status was answered; 0: nothing, the connection was ended.
private func send(_ count: Int, seed: UInt64, to path: String) throws -> [Int: Int] {
    var requests = MalformedRequests(seed: seed)
    var statuses: [Int: Int] = [:]
    for _ in 0..<count {
        let request = requests.next()
        let connection = try RawConnection(path)
        connection.send(request)
        connection.sendEnd()
        let received = try #require(connection.receive(), "\(String(decoding: request, as: UTF8.self))")
        statuses[Answer(received)?.status ?? 0, default: 0] += 1
    }
    return statuses
}
