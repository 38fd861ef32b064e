import Balancer
import Testing

/// Words that are wrong, and the line that the user reads.
struct Slip: Sendable, CustomTestStringConvertible {
    var texts: ServiceRequest.Texts
    var message: String
    var testDescription: String { message }

    init(
        _ message: String, frontend: String = "40.1.1.1:80", backends: String = "20.1.1.10:80,20.1.1.20:80",
        id: String? = nil, weights: String? = nil, states: String? = nil, algorithm: String? = nil,
        affinity: String? = nil, sourceRanges: String? = nil
    ) {
        self.message = message
        texts = .init(
            id: id, frontend: frontend, backends: backends, weights: weights, states: states, algorithm: algorithm,
            affinity: affinity, sourceRanges: sourceRanges)
    }

    init(_ message: String, _ change: (inout ServiceRequest.Texts) -> Void) {
        self.init(message)
        change(&texts)
    }
}

@Suite struct RefusalTests {
    static let frontend = "is not an IP address and port, such as 40.1.1.1:80 or 40.1.1.1:53/udp"
    static let prefix = "is not a prefix such as 10.0.0.0/8 or 2001:db8::/32 (no bits beyond its length)"

    static let slips = [
        Slip("--frontend: '' \(frontend)", frontend: ""),
        Slip("--frontend: 40.1.1.1 \(frontend)", frontend: "40.1.1.1"),
        Slip("--frontend: 40.1.1.1:0 \(frontend)", frontend: "40.1.1.1:0"),
        Slip("--frontend: 40.1.1.1:65536 \(frontend)", frontend: "40.1.1.1:65536"),
        Slip("--frontend: 40.1.1.1:99999999999999999999 \(frontend)", frontend: "40.1.1.1:99999999999999999999"),
        Slip("--frontend: 40.1.1.256:80 \(frontend)", frontend: "40.1.1.256:80"),
        Slip("--frontend: 40.1.1:80 \(frontend)", frontend: "40.1.1:80"),
        Slip("--frontend: 40.1.1.01:80 \(frontend)", frontend: "40.1.1.01:80"),
        Slip("--frontend: *:80 \(frontend)", frontend: "*:80"),
        Slip("--frontend: 40.1.1.1:80/sctp \(frontend)", frontend: "40.1.1.1:80/sctp"),
        Slip("--frontend: '40.1.1.1:80 ' \(frontend)", frontend: "40.1.1.1:80 "),
        Slip("--frontend: 224.0.0.1:80 is a multicast address: give a unicast address", frontend: "224.0.0.1:80"),
        Slip(
            "--frontend: 239.255.255.255:1 is a multicast address: give a unicast address",
            frontend: "239.255.255.255:1"),
        Slip("--frontend: 127.0.0.1:80 is a loopback address: give a unicast address", frontend: "127.0.0.1:80"),
        Slip("--frontend: 0.0.0.0:80 is not an address of a host: give a unicast address", frontend: "0.0.0.0:80"),
        Slip("--frontend: 0.1.2.3:80 is not an address of a host: give a unicast address", frontend: "0.1.2.3:80/udp"),
        Slip("--frontend: 240.0.0.1:80 is a reserved address: give a unicast address", frontend: "240.0.0.1:80"),
        Slip(
            "--frontend: 255.255.255.255:80 is a reserved address: give a unicast address",
            frontend: "255.255.255.255:80"),
        Slip("--frontend: [2001:db8::1] \(frontend)", frontend: "[2001:db8::1]"),
        Slip("--frontend: 2001:db8::1:80 \(frontend)", frontend: "2001:db8::1:80"),
        Slip("--frontend: [ff02::1]:80 is a multicast address: give a unicast address", frontend: "[ff02::1]:80"),
        Slip("--frontend: [::1]:80 is a loopback address: give a unicast address", frontend: "[::1]:80"),
        Slip("--frontend: [::]:80 is not an address of a host: give a unicast address", frontend: "[::]:80"),
        Slip(
            "--frontend: [fe80::1]:80 is a link-local address: give one that is valid beyond the link",
            frontend: "[fe80::1]:80"),
        Slip(
            "--frontend: [febf:ffff::1]:* is a link-local address: give one that is valid beyond the link",
            frontend: "[febf:ffff::1]:*/udp"),
        Slip(
            "--frontend: [::ffff:2801:101]:80 is an IPv4 address in IPv6's form: give it in IPv4's own form",
            frontend: "[::ffff:40.1.1.1]:80"),
        Slip("--backends: [ff0e::1]:80 is a multicast address: give a unicast address", backends: "[ff0e::1]:80"),
        Slip("--backends: [::1]:80 is a loopback address: give a unicast address", backends: "20.1.1.10:80,[::1]:80"),
        Slip(
            "--backends: [fe80::1]:80 is a link-local address: give one that is valid beyond the link",
            backends: "[fe80::1]:80"),
        Slip(
            "--backends: 20.1.1.20:* keeps the client's port, but the frontend has one: give the backend's port",
            backends: "20.1.1.10:80,20.1.1.20:*"),
        Slip("--backends: '' is not an IP address and port", backends: ""),
        Slip("--backends: '' is not an IP address and port", backends: "20.1.1.10:80,"),
        Slip("--backends: '' is not an IP address and port", backends: "20.1.1.10:80,,20.1.1.20:80"),
        Slip("--backends: ' 20.1.1.20:80' is not an IP address and port", backends: "20.1.1.10:80, 20.1.1.20:80"),
        Slip("--backends: 300.2.3.4:80 is not an IP address and port", backends: "20.1.1.10:80,300.2.3.4:80"),
        Slip("--backends: 20.1.1.10:0 is not an IP address and port", backends: "20.1.1.10:0"),
        Slip("--backends: 20.1.1.10:65536 is not an IP address and port", backends: "20.1.1.10:65536"),
        Slip("--backends: 20.1.1.10:80/tcp is not an IP address and port", backends: "20.1.1.10:80/tcp"),
        Slip("--backends: 127.0.0.1:80 is a loopback address: give a unicast address", backends: "127.0.0.1:80"),
        Slip("--backends: 230.0.0.1:80 is a multicast address: give a unicast address", backends: "230.0.0.1:80"),
        Slip("--backends: 0.0.0.1:80 is not an address of a host: give a unicast address", backends: "0.0.0.1:80"),
        Slip("--backends: 241.0.0.1:80 is a reserved address: give a unicast address", backends: "241.0.0.1:80"),
        Slip(
            "--backends: 20.1.1.10:80 is given twice: use --backend-weights to give it more connections",
            backends: "20.1.1.10:80,20.1.1.20:80,20.1.1.10:80"),
        Slip("--id: 0 is not a number from 1 to 65535", id: "0"),
        Slip("--id: 65536 is not a number from 1 to 65535", id: "65536"),
        Slip("--id: -1 is not a number from 1 to 65535", id: "-1"),
        Slip("--id: +1 is not a number from 1 to 65535", id: "+1"),
        Slip("--id: 0x1 is not a number from 1 to 65535", id: "0x1"),
        Slip("--id: '' is not a number from 1 to 65535", id: ""),
        Slip("--id: '１' is not a number from 1 to 65535", id: "１"),
        Slip("--id: 99999999999999999999 is not a number from 1 to 65535", id: "99999999999999999999"),
        Slip("--backend-weights: 65536 is not a weight from 0 to 65535", weights: "1,65536"),
        Slip("--backend-weights: -1 is not a weight from 0 to 65535", weights: "-1,1"),
        Slip("--backend-weights: 1.5 is not a weight from 0 to 65535", weights: "1,1.5"),
        Slip("--backend-weights: '' is not a weight from 0 to 65535", weights: ""),
        Slip("--backend-weights: 1 given for 2 backends: give one for each", weights: "1"),
        Slip("--backend-weights: 3 given for 2 backends: give one for each", weights: "1,2,3"),
        Slip("--states: dead is not active, draining or maintenance", states: "active,dead"),
        Slip("--states: Active is not active, draining or maintenance", states: "Active,active"),
        Slip("--states: '' is not active, draining or maintenance", states: ""),
        Slip("--states: 1 given for 2 backends: give one for each", states: "draining"),
        Slip("--states: 3 given for 2 backends: give one for each", states: "active,active,active"),
        Slip("--algorithm: rr is not maglev or random", algorithm: "rr"),
        Slip("--algorithm: '' is not maglev or random", algorithm: ""),
        Slip("--affinity: 0 is not a number of seconds from 1 to 86400", affinity: "0"),
        Slip("--affinity: 86401 is not a number of seconds from 1 to 86400", affinity: "86401"),
        Slip("--affinity: 3h is not a number of seconds from 1 to 86400", affinity: "3h"),
        Slip(
            "--affinity: 99999999999999999999 is not a number of seconds from 1 to 86400",
            affinity: "99999999999999999999"),
        Slip("--source-ranges: '' \(prefix)", sourceRanges: ""),
        Slip("--source-ranges: 10.0.0.1/8 \(prefix)", sourceRanges: "10.0.0.1/8"),
        Slip("--source-ranges: 10.0.0.0/33 \(prefix)", sourceRanges: "192.0.2.0/24,10.0.0.0/33"),
        Slip("--source-ranges: 2001:db8::1/32 \(prefix)", sourceRanges: "10.0.0.0/8,2001:db8::1/32"),
        Slip("--source-ranges: ::/129 \(prefix)", sourceRanges: "::/129"),
        Slip("--source-ranges: 2001:db8::/32 is given twice", sourceRanges: "2001:db8::/32,2001:DB8:0::/32"),
        Slip("--source-ranges: 10.0.0.0/8 is given twice", sourceRanges: "10.0.0.0/8,10.0.0.0/8"),
        Slip("--source-ranges: 192.0.2.1/32 is given twice", sourceRanges: "192.0.2.1,192.0.2.1/32"),
    ]

    static let featureSlips =
        [
            Slip("--mode: nat is not snat or dsr") { $0.mode = "nat" },
            Slip("--mode: '' is not snat or dsr") { $0.mode = "" },
            Slip("--mode: SNAT is not snat or dsr") { $0.mode = "SNAT" },
            Slip("--source-ranges-policy: refuse is not allow or deny") { $0.sourceRangesPolicy = "refuse" },
            Slip("--source-ranges-policy: '' is not allow or deny") { $0.sourceRangesPolicy = "" },
            Slip("--source-ranges-policy: deny refuses nobody without ranges: add --source-ranges") {
                $0.sourceRangesPolicy = "deny"
            },
        ]
        + ["", "0", "-1", "10000001", "1.5", "1k", "99999999999999999999"].map { text in
            Slip("--max-new-connections: \(quoted(text)) is not a number per second from 1 to 10000000") {
                $0.maxNewConnections = text
            }
        }

    @Test("a slip is named with its option, the user's words and the mend", arguments: slips + featureSlips)
    func slip(slip: Slip) {
        #expect(throws: BalancerError.usage(slip.message)) { _ = try ServiceRequest(slip.texts) }
    }

    @Test(
        "whatever is typed, the line stays short and acts on no terminal",
        arguments: [
            String(repeating: "x", count: 5000), String(repeating: "\u{1b}[31m", count: 1000), "\u{0}\u{7}\r\n\t\u{7f}",
            "\u{9b}31m\u{85}", "\u{202e}08:1.1.1.04\u{2028}\u{200b}", String(repeating: "9", count: 5000),
            String(repeating: ":", count: 5000), String(repeating: ".", count: 5000),
            String(repeating: "é", count: 5000),
            "e" + String(repeating: "\u{301}", count: 5000), String(repeating: "/", count: 5000), "'; rm -rf /'",
            "\u{feff}1",
        ])
    func hostile(text: String) throws {
        let good = ServiceRequest.Texts(frontend: "40.1.1.1:80", backends: "20.1.1.10:80")
        let options: [WritableKeyPath<ServiceRequest.Texts, String?>] = [
            \.id, \.weights, \.states, \.algorithm, \.affinity, \.sourceRanges, \.sourceRangesPolicy, \.mode,
            \.maxNewConnections,
        ]
        var all = options.map { option in
            var texts = good
            texts[keyPath: option] = text
            return texts
        }
        all.append(.init(frontend: text, backends: good.backends))
        all.append(.init(frontend: good.frontend, backends: text))
        for texts in all {
            let error = try #require(refusal { _ = try ServiceRequest(texts) })
            #expect(error.kind == .usage)
            #expect(error.description.hasPrefix("--"))
            #expect(error.description.unicodeScalars.count < 200)
            let unsafe = error.description.unicodeScalars.filter { scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator: true
                default: false
                }
            }
            #expect(unsafe.isEmpty)
        }
    }

    @Test(
        "one plain word is shown as it is, all else in quotes",
        arguments: [
            ("300.2.3.4:80", "300.2.3.4:80"), ("", "''"), ("a b", "'a b'"), ("it's", "'it's'"), ("é", "'é'"),
            ("a\nb", "'a?b'"), (String(repeating: "x", count: 60), String(repeating: "x", count: 60)),
            (String(repeating: "x", count: 61), String(repeating: "x", count: 60) + "…"),
            (String(repeating: " ", count: 61), "'" + String(repeating: " ", count: 60) + "…'"),
        ])
    func quotes(text: String, shown: String) {
        #expect(quoted(text) == shown)
    }
}
