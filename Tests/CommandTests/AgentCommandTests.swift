import Agent
import ArgumentParser
import Balancer
import Testing

@testable import l4lb

@Suite struct AgentCommandTests {
    private func options(_ words: String...) throws -> AgentOptions {
        let command = try L4LB.parseAsRoot(words)
        return try #require(command as? AgentCommand).options()
    }

    @Test("the agent is the default command, and its flags have their defaults")
    func defaults() throws {
        for options in [try options("--device=eth0"), try options("agent", "--device", "eth0")] {
            #expect(options.mode == .snat)
            #expect(options.devices == ["eth0"])
            #expect(options.acceleration == .native)
            #expect(options.bpfRoot == "/sys/fs/bpf")
            #expect(options.mapMax == 65536)
            #expect(options.maglevSize == 16381)
            #expect(options.maglevSeed == MaglevTable.seed(base64: "JLfvgnHc2kaSUFaI"))
            #expect(options.flowTableSize == 1 << 20)
            #expect(options.timeouts == Timeouts())
            #expect(options.snatPorts == nil)
            #expect(options.sources == SourceAddresses())
            #expect(options.clang == nil)
        }
    }

    @Test("every flag is taken")
    func all() throws {
        let options = try options(
            "--bpf-lb-mode=dsr", "--device=eth0,eth1", "--bpf-lb-acceleration=best-effort", "--bpf-root=/bpf",
            "--bpf-lb-map-max=1", "--bpf-lb-maglev-table-size=251", "--bpf-lb-maglev-hash-seed=AAAAAAAAAAAAAAAA",
            "--flow-table-size=1024", "--bpf-ct-timeout-regular-tcp=2h13m20s", "--bpf-ct-timeout-regular-tcp-syn=1s",
            "--bpf-ct-timeout-regular-tcp-fin=720h", "--bpf-ct-timeout-regular-any=90", "--snat-port-range=20000-29999",
            "--snat-addresses=20.1.1.1,2001:db8::1,20.1.1.2", "--bpf-lb-rss-ipv4-src-cidr=10.10.0.0/16",
            "--bpf-lb-rss-ipv6-src-cidr=2001:db8:1::/64", "--clang=/clang")
        #expect(options.mode == .dsr)
        #expect(options.devices == ["eth0", "eth1"])
        #expect(options.acceleration == .bestEffort)
        #expect(options.bpfRoot == "/bpf")
        #expect((options.mapMax, options.maglevSize, options.flowTableSize) == (1, 251, 1024))
        #expect(options.maglevSeed == MaglevTable.seed(base64: "AAAAAAAAAAAAAAAA"))
        let timeouts = options.timeouts
        #expect((timeouts.established, timeouts.syn, timeouts.closing, timeouts.udp) == (8000, 1, 2_592_000, 90))
        #expect(options.snatPorts == 20000...29999)
        #expect(options.sources.snat.map(\.description) == ["20.1.1.1", "2001:db8::1", "20.1.1.2"])
        #expect(options.sources.rss4?.description == "10.10.0.0/16")
        #expect(options.sources.rss6?.description == "2001:db8:1::/64")
        #expect(options.clang == "/clang")
    }

    static let sizes = "251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071"

    @Test(
        "a wrong flag is named with its value and the mend",
        arguments: [
            ("--bpf-lb-mode=nat", "--bpf-lb-mode: nat is not snat or dsr"),
            ("--bpf-lb-acceleration=fast", "--bpf-lb-acceleration: fast is not native, generic or best-effort"),
            ("--device=eth0,", "--device: eth0, is not a list of different device names"),
            ("--device=eth0,eth0", "--device: eth0,eth0 is not a list of different device names"),
            ("--device=\((0..<17).map { "e\($0)" }.joined(separator: ","))", "--device: 17 devices, 16 are the most"),
            ("--bpf-lb-map-max=0", "--bpf-lb-map-max: 0 is not a number from 1 to 65536"),
            ("--bpf-lb-map-max=65537", "--bpf-lb-map-max: 65537 is not a number from 1 to 65536"),
            (
                "--bpf-lb-map-max=99999999999999999999",
                "--bpf-lb-map-max: 99999999999999999999 is not a number from 1 to 65536"
            ),
            ("--bpf-lb-maglev-table-size=16382", "--bpf-lb-maglev-table-size: 16382 is not one of \(sizes)"),
            ("--bpf-lb-maglev-table-size=x", "--bpf-lb-maglev-table-size: x is not a number from 1 to 2147483647"),
            (
                "--bpf-lb-maglev-hash-seed=short",
                "--bpf-lb-maglev-hash-seed: short is not 12 bytes in base64: head -c12 /dev/urandom | base64"
            ),
            ("--flow-table-size=1023", "--flow-table-size: 1023 is not a number from 1024 to 16777216"),
            ("--flow-table-size=16777217", "--flow-table-size: 16777217 is not a number from 1024 to 16777216"),
            (
                "--bpf-ct-timeout-regular-any=0",
                "--bpf-ct-timeout-regular-any: 0 is not a time such as 60s or 2h13m20s, up to 720h"
            ),
            (
                "--bpf-ct-timeout-regular-tcp=721h",
                "--bpf-ct-timeout-regular-tcp: 721h is not a time such as 60s or 2h13m20s, up to 720h"
            ),
            ("--snat-port-range=20000", "--snat-port-range: 20000 is not a range such as 20000-29999"),
            ("--snat-port-range=0-29999", "--snat-port-range: 0-29999 is not a range such as 20000-29999"),
            ("--snat-port-range=20000-99999", "--snat-port-range: 20000-99999 is not a range such as 20000-29999"),
            ("--snat-port-range=29999-20000", "--snat-port-range: 29999-20000 is not a range such as 20000-29999"),
            ("--snat-port-range=1-2000,5-6", "--snat-port-range: 1-2000,5-6 is not a range such as 20000-29999"),
            ("--snat-port-range=1-2000,x", "--snat-port-range: 1-2000,x is not a range such as 20000-29999"),
            ("--snat-addresses=20.1.1.1,", "--snat-addresses: '' is not an IP address"),
            ("--snat-addresses=20.1.1.256", "--snat-addresses: 20.1.1.256 is not an IP address"),
            ("--snat-addresses=20.1.1.1,20.1.1.1", "--snat-addresses: 20.1.1.1 is given twice"),
            (
                "--snat-addresses=20.1.1.1,fe80::1",
                "--snat-addresses: fe80::1 is a link-local address: give one that is valid beyond the link"
            ),
            ("--snat-addresses=127.0.0.1", "--snat-addresses: 127.0.0.1 is a loopback address: give a unicast address"),
            (
                "--snat-addresses=\((0..<257).map { "20.1.\($0 / 256).\($0 % 256)" }.joined(separator: ","))",
                "--snat-addresses: more than 256 IPv4 addresses"
            ),
            (
                "--bpf-lb-rss-ipv4-src-cidr=10.0.0.1/8",
                "--bpf-lb-rss-ipv4-src-cidr: 10.0.0.1/8 is not an IPv4 prefix such as 10.0.0.0/24 (no bits beyond its length)"
            ),
            (
                "--bpf-lb-rss-ipv4-src-cidr=2001:db8::/64",
                "--bpf-lb-rss-ipv4-src-cidr: 2001:db8::/64 is not an IPv4 prefix such as 10.0.0.0/24 (no bits beyond its length)"
            ),
            (
                "--bpf-lb-rss-ipv6-src-cidr=10.0.0.0/8",
                "--bpf-lb-rss-ipv6-src-cidr: 10.0.0.0/8 is not an IPv6 prefix such as 2001:db8::/64 (no bits beyond its length)"
            ),
            (
                "--bpf-lb-rss-ipv4-src-cidr=10.0.0.1",
                "--bpf-lb-rss-ipv4-src-cidr: 10.0.0.1/32 is a single address, which spreads nothing: give a shorter prefix"
            ),
            (
                "--bpf-lb-rss-ipv6-src-cidr=ff00::/8",
                "--bpf-lb-rss-ipv6-src-cidr: ff00::/8 begins with a multicast address: give a unicast address"
            ),
            ("--snat-port-range=-5-2000", "--snat-port-range: -5-2000 is not a range such as 20000-29999"),
        ])
    func wrong(flag: String, message: String) throws {
        let words = flag.hasPrefix("--device") ? [flag] : ["--device=eth0", flag]
        let command = try #require(try L4LB.parseAsRoot(words) as? AgentCommand)
        let error = try #require(throws: (any Error).self) { _ = try command.options() }
        let text = try #require(Output.text(of: error, parser: L4LB.self))
        #expect(text.line == message)
        #expect(text.code == 2)
    }

    @Test("without a device the user is told to name one")
    func noDevice() throws {
        let error = try #require(throws: UsageError.self) { _ = try options() }
        #expect(error.description == "--device is missing: name the network device to balance on, --device=eth0")
    }

    @Test(
        "times are written as Go writes them",
        arguments: [
            ("60", 60), ("8000s", 8000), ("2h13m20s", 8000), ("1h", 3600), ("1m", 60), ("0s", 0), ("1m30s", 90),
            ("999999999h", 999_999_999 * 3600),
        ])
    func durations(text: String, seconds: Int) {
        #expect(Duration.seconds(text) == seconds)
    }

    @Test(
        "what is no time is none, however long it is",
        arguments: [
            "", "s", "h", "1x", "1h2", "1.5h", "1 h", "-1h", "1ms", "１s", "1h s", "9999999999s", "99999999999999999999",
            String(repeating: "9", count: 5000), String(repeating: "h", count: 5000),
        ])
    func noDurations(text: String) {
        #expect(Duration.seconds(text) == nil)
    }

    @Test("a time of many parts is added up without overflowing")
    func longDuration() {
        #expect(Duration.seconds(String(repeating: "999999999h", count: 5000)) == 5000 * 999_999_999 * 3600)
    }
}
