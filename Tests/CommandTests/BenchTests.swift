import API
import Agent
import Balancer
import Foundation
import Testing

@testable import l4lb

@Suite struct BenchTests {
    private static func command(_ words: String) throws -> BenchCommand {
        try BenchCommand.parse(words.split(separator: " ").map(String.init))
    }

    @Test(
        "the bench takes its options",
        arguments: [
            ("", [Mode.snat, .dsr], [false, true], 9, 1 << 20),
            ("--mode=dsr --family=6", [.dsr], [true], 9, 1 << 20),
            ("--family=4 --rounds 3", [.snat, .dsr], [false], 3, 1 << 20),
            ("--short", [.snat, .dsr], [false, true], 2, 1 << 16),
            ("--short --rounds=5 --flow-table-size=131072", [.snat, .dsr], [false, true], 5, 1 << 17),
        ])
    func options(words: String, modes: [Mode], ipv6: [Bool], rounds: Int, size: Int) throws {
        let bench = try Self.command(words).bench()
        #expect(bench.modes == modes)
        #expect(bench.families == ipv6)
        #expect(bench.rounds == rounds)
        #expect(bench.flowTableSize == size)
    }

    @Test(
        "a wrong option of the bench is named",
        arguments: [
            ("--mode=nat", "--mode: nat is not snat, dsr or both"),
            ("--family=5", "--family: 5 is not 4, 6 or both"),
            ("--rounds=0", "--rounds: 0 is not a number from 1 to 99"),
            ("--flow-table-size=1024", "--flow-table-size: 1024 is not a number from 65536 to 16777216"),
        ])
    func wrong(words: String, message: String) throws {
        let command = try Self.command(words)
        let error = #expect(throws: UsageError.self) { try command.bench() }
        #expect(error?.description == message)
    }

    @Test("every mode and family has its cases, by a program of one path and by one of both")
    func allCases() throws {
        let names = try Self.command("").bench().cases.map(\.name)
        #expect(Set(names).count == names.count)
        // Replies pass here in SNAT only.
        #expect(names.count == 4 * 8 + 4 * 6)
        #expect(names.first == "snat ipv4: established, 1 flow")
        #expect(names.contains("dsr ipv6 both paths: new flow each, table full"))
        #expect(!names.contains { $0.hasPrefix("dsr") && $0.contains("reply") })
        #expect(try Self.command("--mode=dsr").bench().cases.allSatisfy { !$0.program.hasBothPaths })
    }

    @Test("cases are picked by a part of their name, whatever its case")
    func filter() throws {
        let names = try Self.command("--cases=IPv6:").bench().cases.map(\.name)
        #expect(names.count == 8 + 6)
        #expect(names.allSatisfy { $0.contains("ipv6:") })
        #expect(try Self.command("--cases=nonsense").bench().cases.isEmpty)
    }

    private static let yardstick = BenchYardstick(
        empty: BenchCost(nanoseconds: 10, cycles: 30, instructions: 100),
        floor: BenchCost(nanoseconds: 40, cycles: 120, instructions: 300),
        adjustHead: BenchCost(nanoseconds: 8, cycles: 24, instructions: 50))

    @Test(
        "a program's cost is what is left when the driver's is taken off, and counts in floors with the loop around it")
    func sample() {
        let whole = BenchCost(nanoseconds: 200, cycles: 600, instructions: 1500)
        let driver = BenchCost(nanoseconds: 90, cycles: 270, instructions: 700)
        let plain = BenchSample(whole: whole, driver: driver, makesRoom: false, yardstick: Self.yardstick)
        #expect(plain.net == BenchCost(nanoseconds: 110, cycles: 330, instructions: 800))
        #expect(plain.floors == 3)
        let room = BenchSample(whole: whole, driver: driver, makesRoom: true, yardstick: Self.yardstick)
        #expect(room.net == BenchCost(nanoseconds: 118, cycles: 354, instructions: 850))
        #expect(room.floors == 3.2)
    }

    @Test(
        "the middle of the rounds is shown, with the least and the most",
        arguments: [
            ([3.0, 1, 2], 2.0, 1.0, 3.0), ([4.0, 1, 2, 3], 2.5, 1, 4), ([7.0], 7, 7, 7),
        ])
    func spread(values: [Double], median: Double, least: Double, most: Double) {
        let spread = BenchSpread(values)
        #expect([spread.median, spread.least, spread.most] == [median, least, most])
    }

    private static func report(counters: Bool) -> BenchReport {
        let program = BenchProgram(modes: [.snat, .dsr], mode: .dsr, isIPv6: true)
        let samples = [100.0, 130, 120].map { nanoseconds in
            BenchSample(
                whole: BenchCost(
                    nanoseconds: nanoseconds, cycles: counters ? nanoseconds * 3 : nil,
                    instructions: counters ? 1000.2 : nil),
                driver: BenchCost(
                    nanoseconds: 50, cycles: counters ? 150 : nil, instructions: counters ? 500 : nil),
                makesRoom: false, yardstick: yardstick)
        }
        return BenchReport(
            results: [
                BenchResult(case: BenchCase(program: program, traffic: .oneFlow), samples: samples, packets: 3000),
                BenchResult(
                    case: BenchCase(program: program, traffic: .newFlows), samples: samples, packets: 3000,
                    evicted: 2994),
            ], floorNanoseconds: 40, rounds: 3, flowTableSize: 65536)
    }

    @Test("the table shows floors, and counters only where the machine has them")
    func table() {
        #expect(
            BenchCommand.table(Self.report(counters: true)).text(width: nil) == """
                MODE  FAMILY  PATHS  CASE                       FLOORS   MIN   MAX  CYCLES  INSNS    NS  EVICTED
                dsr   ipv6    both   established, 1 flow          2.00  1.50  2.25     210    500  70.0        -
                dsr   ipv6    both   new flow each, table full    2.00  1.50  2.25     210    500  70.0   99.8 %

                """)
        #expect(
            BenchCommand.table(Self.report(counters: false)).text(width: nil) == """
                MODE  FAMILY  PATHS  CASE                       FLOORS   MIN   MAX  CYCLES  INSNS    NS  EVICTED
                dsr   ipv6    both   established, 1 flow          2.00  1.50  2.25       -      -  70.0        -
                dsr   ipv6    both   new flow each, table full    2.00  1.50  2.25       -      -  70.0   99.8 %

                """)
    }

    @Test("as JSON counters that the machine does not have are null")
    func json() throws {
        let text = JSON.text(BenchJSON(Self.report(counters: false)))
        let whole = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(Set(whole.keys) == ["floor_nanoseconds", "rounds", "flow_table_size", "cases"])
        let first = try #require((whole["cases"] as? [[String: Any]])?.first)
        #expect(
            Set(first.keys) == [
                "mode", "family", "both_paths", "case", "floors", "floors_min", "floors_max", "nanoseconds", "cycles",
                "instructions", "packets", "evicted",
            ])
        #expect(first["cycles"] is NSNull)
        #expect(first["both_paths"] as? Bool == true)
        #expect(first["floors"] as? Double == 2)
    }
}
