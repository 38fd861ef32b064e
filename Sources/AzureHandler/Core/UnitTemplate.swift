/// The package's unit, in which the agent's further flags are left open.
struct UnitTemplate: Sendable {
    private static let place = "@FLAGS@"
    let text: String

    init(_ text: String) throws(HandlerError) {
        guard text.split(separator: "\n").filter({ $0.hasPrefix("ExecStart=") && $0.hasSuffix(Self.place) }).count == 1
        else { throw HandlerError(.missing, "the package's \(Layout.unit) is damaged: publish the package again") }
        self.text = text
    }

    /// Flags with blanks or what systemd takes for its own are not among those that a deployment has.
    func unit(flags: [String]) -> String {
        text.replacing(Self.place, with: flags.map { " " + $0 }.joined())
    }

    /// Those of a unit that such a template has become, of this version or another.
    static func flags(of unit: String) -> [String] {
        let start = unit.split(separator: "\n").first { $0.hasPrefix("ExecStart=") }
        let words = (start ?? "").split(separator: " ").map(String.init)
        guard let config = words.lastIndex(where: { $0.hasPrefix("--config=") }) else { return [] }
        return Array(words[(config + 1)...])
    }

    /// The unit that keeps the extension's status and heartbeat fresh.
    static func watchUnit(package: String, layout: Layout) -> String {
        """
        [Unit]
        Description=l4lb, what its Azure VM extension reports
        After=\(Layout.unit)

        [Service]
        ExecStart=\(layout.handler) watch --package=\(package)
        Restart=on-failure
        RestartSec=5
        NoNewPrivileges=yes
        PrivateTmp=yes
        PrivateDevices=yes
        ProtectHome=yes
        ProtectKernelModules=yes
        ProtectKernelTunables=yes
        RestrictAddressFamilies=AF_UNIX
        CapabilityBoundingSet=CAP_DAC_OVERRIDE

        [Install]
        WantedBy=multi-user.target

        """
    }
}
