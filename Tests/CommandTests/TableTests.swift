import Testing

@testable import l4lb

@Suite struct TableTests {
    private let table = Table(
        columns: [
            .init(title: "ID", isNumber: true), .init(title: "NAME"), .init(title: "EXTRA", importance: 1),
            .init(title: "LEAST", isNumber: true, importance: 2),
        ],
        rows: [["1", "one", "x", "10"], ["65535", "n", "", "9"]])

    @Test("text stands at the left, numbers at the right, and no line ends with blanks")
    func aligns() {
        #expect(
            table.text(width: nil) == """
                   ID  NAME  EXTRA  LEAST
                    1  one   x         10
                65535  n                9

                """)
        var text = table
        text.columns[3].isNumber = false
        text.rows[1][3] = ""
        #expect(text.text(width: nil).hasSuffix("65535  n\n"))
    }

    @Test(
        "where the terminal is too narrow the least important columns go, the others stay whole",
        arguments: [
            (25, "ID  NAME  EXTRA  LEAST"), (24, "ID  NAME  EXTRA"), (18, "ID  NAME  EXTRA"), (17, "ID  NAME"),
            (11, "ID  NAME"),
            (1, "ID  NAME"), (0, "ID  NAME"), (-5, "ID  NAME"),
        ])
    func narrow(width: Int, titles: String) throws {
        let first = try #require(table.text(width: width).split(separator: "\n").first)
        #expect(first == "   " + titles)
    }

    @Test("a table without rows is its titles, one without columns is nothing")
    func empty() {
        #expect(Table(columns: table.columns).text(width: nil) == "ID  NAME  EXTRA  LEAST\n")
        #expect(Table(columns: []).text(width: 80) == "\n")
    }
}

@Suite struct UnitsTests {
    @Test(
        "bytes are shown in powers of a thousand with one decimal",
        arguments: [
            (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.0 kB"), (1049, "1.0 kB"), (1051, "1.1 kB"),
            (999_949, "999.9 kB"), (999_950, "1.0 MB"), (1_234_567, "1.2 MB"), (999_999_999, "1.0 GB"),
            (5_000_000_000_000, "5.0 TB"), (5_000_000_000_000_000, "5.0 PB"), (.max, "18.4 EB"),
        ] as [(UInt64, String)])
    func bytes(count: UInt64, text: String) {
        #expect(Units.bytes(count) == text)
    }

    @Test(
        "times are shown in the units that matter",
        arguments: [
            (0, "0s"), (59, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m00s"), (3725, "1h02m05s"),
            (86_399, "23h59m59s"), (86_400, "1d00h"), (90_000, "1d01h"), (.max, "213503982334601d07h"),
        ] as [(UInt64, String)])
    func seconds(count: UInt64, text: String) {
        #expect(Units.seconds(count) == text)
    }

    @Test(
        "memory is shown in powers of 1024",
        arguments: [(8192, "8 KiB"), (1 << 20, "1 MiB"), (268_435_456, "256 MiB"), ((1 << 20) - 1, "1023 KiB")])
    func memory(count: Int, text: String) {
        #expect(Units.memory(count) == text)
    }
}
