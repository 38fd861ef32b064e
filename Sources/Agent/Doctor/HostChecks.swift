import BPF
import Balancer

/// The host itself: whether programs can be compiled, loaded and kept.
struct HostFacts: Sendable {
    enum Compiler: Sendable {
        /// Its path; the packet program was compiled.
        case works(String)
        /// There is none; the folder of those that are used instead.
        case packaged(String)
        /// The error's own line, with the mend.
        case fails(String)
    }

    /// As `uname -r` has it.
    var kernel: String
    var isRoot: Bool
    var xdp: XDPSupport
    /// `net.core.bpf_jit_enable`; nil where it cannot be read, as in a network namespace.
    var jit: Int?
    var bpfRoot: String
    var bpfRootIsBPF: Bool
    var compiler: Compiler

    static let oldestKernel = (major: 6, minor: 1)

    func diagnoses() -> [Diagnosis] {
        [kernelCheck, rights, jitCheck, bpffs, clang]
    }

    private var kernelCheck: Diagnosis {
        let numbers = kernel.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else {
            return Diagnosis(.unknown, .kernel, "the kernel's version \(kernel) is not understood")
        }
        guard (numbers[0], numbers[1]) >= (Self.oldestKernel.major, Self.oldestKernel.minor) else {
            return Diagnosis(
                .error, .kernel, "Linux \(kernel) is older than \(Self.oldestKernel.major).\(Self.oldestKernel.minor)",
                mend: "boot a newer kernel")
        }
        return Diagnosis(.ok, .kernel, "Linux \(kernel)")
    }

    private var rights: Diagnosis {
        switch xdp {
        case .supported: Diagnosis(.ok, .rights, "XDP programs can be loaded")
        case .denied where !isRoot:
            Diagnosis(.error, .rights, "loading XDP programs needs root", mend: "run it with sudo")
        case .denied:
            Diagnosis(
                .error, .rights, "bpf(2) is refused to root",
                mend: "give the container CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and a seccomp profile with bpf")
        case .unsupported:
            Diagnosis(
                .error, .rights, "this kernel has no XDP",
                mend: "boot one with CONFIG_BPF_SYSCALL=y")
        case .failed(let number):
            Diagnosis(.unknown, .rights, "whether XDP programs can be loaded: error \(number)")
        }
    }

    private var jitCheck: Diagnosis {
        switch jit {
        case nil:
            Diagnosis(.unknown, .jit, "net.core.bpf_jit_enable cannot be read here", mend: "look on the host itself")
        case 0:
            Diagnosis(
                .warning, .jit, "BPF programs are interpreted, which is many times slower",
                mend: "sysctl -w net.core.bpf_jit_enable=1")
        case .some: Diagnosis(.ok, .jit, "BPF programs are compiled to machine code")
        }
    }

    private var bpffs: Diagnosis {
        if bpfRootIsBPF { return Diagnosis(.ok, .bpffs, "\(bpfRoot) is a bpf filesystem") }
        let mend = "mount -t bpf bpf \(bpfRoot)"
        // The agent mounts the usual place itself.
        return bpfRoot == AgentOptions.defaultBPFRoot
            ? Diagnosis(.warning, .bpffs, "no bpf filesystem at \(bpfRoot)", mend: mend)
            : Diagnosis(.error, .bpffs, "--bpf-root: \(bpfRoot) is not a bpf filesystem", mend: mend)
    }

    private var clang: Diagnosis {
        switch compiler {
        case .works(let path): Diagnosis(.ok, .clang, "\(path) compiles the packet program")
        case .packaged(let folder): Diagnosis(.ok, .clang, "no clang: the packaged programs in \(folder) are used")
        case .fails(let text): Diagnosis(.error, .clang, text)
        }
    }
}
