/// Where things are on the VM. The root is another one in tests.
struct Layout: Sendable {
    static let unit = "l4lb.service"
    static let watchUnit = "l4lb-azure-watch.service"
    /// Where it is, whoever runs the VM has decided to stay with the version that is installed.
    static let updateGate = "/etc/l4lb/no-extension-update"
    static let socket = "/run/l4lb/l4lb.sock"
    static let configFile = "/etc/l4lb/l4lb.json"

    var root = ""

    var products: String { "\(root)/opt/l4lb" }
    /// A link to the folder of the product's version that the unit starts.
    var current: String { "\(products)/current" }
    var agent: String { "\(current)/bin/l4lb" }
    var handler: String { "\(products)/handler/l4lb-azure-handler" }
    /// Which package's things are installed.
    var record: String { "\(products)/installed.json" }
    var command: String { "\(root)/usr/local/bin/l4lb" }
    var units: String { "\(root)/etc/systemd/system" }
    var unit: String { "\(units)/\(Self.unit)" }
    var watchUnit: String { "\(units)/\(Self.watchUnit)" }
    var configFolder: String { "\(root)/etc/l4lb" }
    var config: String { root + Self.configFile }
    var gate: String { root + Self.updateGate }
    var certificates: String { "\(configFolder)/tls" }
    var state: String { "\(root)/var/lib/l4lb" }
    var runtime: String { "\(root)/run/l4lb" }
    var pins: String { "\(root)/sys/fs/bpf/l4lb" }
    /// Units of a package that was installed by other means.
    var otherUnits: [String] {
        ["/lib/systemd/system", "/usr/lib/systemd/system"].map { "\(root)\($0)/\(Self.unit)" }
    }

    func product(_ version: PackageVersion) -> String { "\(products)/\(version.product)" }
}
