import BPF
import Balancer
import CDataplane
import Foundation
import Synchronization
import Testing

@testable import Agent

/// The packet program in the kernel, without a network device.
@Suite(.enabled(if: geteuid() == 0, "needs root"))
enum PacketTests {}

/// Each program is compiled once; the tests load it over maps of their own.
enum Programs {
    static let maglevSize = 251
    static let maglevSeed: UInt64 = 0x0123_4567_89ab_cdef
    static let clang = Result { try Clang.find(flag: nil, environment: ProcessInfo.processInfo.environment) }
    static let clock = Result { try JiffiesClock(compiler: .clang(try clang.get())) }
    private static let compiled = Mutex<[Paths: Result<PacketProgram, any Error>]>([:])

    static func program(_ paths: Paths) throws -> PacketProgram {
        let clang = try clang.get()
        return try compiled.withLock { programs in
            let program =
                programs[paths]
                ?? Result { try PacketProgram(paths: paths, compiler: .clang(clang), maglevSize: maglevSize) }
            programs[paths] = program
            return program
        }.get()
    }

    /// The tests' time stands still: a tick is many hours long, and connections are made older by
    /// hand (see `Testbed.pass`).
    static let frozenShift: UInt32 = 24

    /// Idle ticks after which a connection has ended.
    enum Ticks {
        static let syn: UInt32 = 100
        static let established: UInt32 = 1000
        static let closing: UInt32 = 50
        static let udp: UInt32 = 200
        static let portRest: UInt32 = 300
        static let fragment: UInt32 = 120
    }

    static func config(records: Int, portCount: Int) -> l4lb_config {
        var config = l4lb_config()
        config.layout = UInt32(L4LB_LAYOUT)
        config.flow_seed = (
            0x9f86_d081_884c_7d65, 0x9a2f_eaa0_c55a_d015, 0xa3bf_4f1b_2b0b_822c, 0xd15d_6c15_b0f0_0a08,
            0x5feceb66_ffc8_6f38
        )
        config.flow_seed6 = (
            0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179, 0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd,
            0xb5c0_fbcf_ec4d_3b2f, 0xe9b5_dba5_8189_dbbc, 0x3956_c25b_f348_b538, 0x59f1_11f1_b605_d019
        )
        config.maglev_seed = maglevSeed
        config.records = UInt32(records)
        config.clock_shift = frozenShift
        config.timeouts = (Ticks.syn, Ticks.established, Ticks.closing, Ticks.udp)
        config.port_rest = Ticks.portRest
        config.fragment_ticks = Ticks.fragment
        config.snat_port_count = UInt32(portCount)
        config.ifindex = 1
        config.mac = Place.balancer.link.octetTuple
        return config
    }
}
