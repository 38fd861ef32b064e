import API
import Addresses
import Agent
import Balancer
import Foundation
import Testing

@testable import l4lb

@Suite struct DropLineTests {
    private static let time = Date(timeIntervalSince1970: 1_795_812_301.25)

    /// A record of the ring: reason, service, ifindex, frame length, bytes that follow, the bytes.
    private static func drop(reason: UInt8, service: UInt8, frame: [UInt8], known: Bool) throws -> LoadBalancer.Drop {
        let head: [UInt8] = [reason, 0, service, 0, 2, 0, 0, 0, 74, 0, 0, 0, UInt8(frame.count), 0, 0, 0]
        let record = head + frame + [UInt8](repeating: 0, count: 128 - frame.count)
        return LoadBalancer.Drop(
            packet: try #require(DroppedPacket(record: record)), frontend: known ? Frontend("40.1.1.1:80") : nil,
            device: known ? "eth0" : nil)
    }

    private static let tcp: [UInt8] =
        [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 12, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]
        + [192, 0, 2, 10, 40, 1, 1, 1, 0x9c, 0x40, 0, 80]

    @Test("a drop is one line below the titles, and what is not known is a dash")
    func text() throws {
        let known = DropLine(try Self.drop(reason: 0, service: 1, frame: Self.tcp, known: true), time: Self.time)
        let unknown = DropLine(try Self.drop(reason: 200, service: 0, frame: [], known: false), time: Self.time)
        let gone = DropLine(try Self.drop(reason: 5, service: 9, frame: Self.tcp, known: false), time: Self.time)
        #expect(
            [DropLine.titles, known.text, unknown.text, gone.text].joined(separator: "\n") == """
                TIME          REASON                PROTO   CLIENT                 DESTINATION            BYTES   SERVICE
                20:45:01.250  no_backend            tcp     192.0.2.10:40000       40.1.1.1:80            74      1 40.1.1.1:80/tcp
                20:45:01.250  unknown               -       -                      -                      74      -
                20:45:01.250  malformed             tcp     192.0.2.10:40000       40.1.1.1:80            74      9
                """)
    }

    @Test("as JSON a drop is one line, with nulls for what is not known")
    func json() throws {
        let known = DropLine(try Self.drop(reason: 0, service: 1, frame: Self.tcp, known: true), time: Self.time)
        #expect(
            JSON.text(known, .oneLine)
                == #"{"client":"192.0.2.10:40000","destination":"40.1.1.1:80","device":"eth0","frontend":"40.1.1.1:80/tcp","length":74,"protocol":"tcp","reason":"no_backend","service":1,"time":"2026-11-27T20:45:01.250Z"}"#
        )
        let unknown = DropLine(try Self.drop(reason: 200, service: 0, frame: [], known: false), time: Self.time)
        #expect(
            JSON.text(unknown, .oneLine)
                == #"{"client":null,"destination":null,"device":null,"frontend":null,"length":74,"protocol":null,"reason":"unknown","service":null,"time":"2026-11-27T20:45:01.250Z"}"#
        )
    }
}
