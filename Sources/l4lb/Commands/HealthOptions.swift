import ArgumentParser
import Balancer

/// How a service's backends are checked.
struct HealthOptions: ParsableArguments {
    @Option(help: "none, tcp (a connection comes about), or http[:/PATH] (GET is answered). (default: none)")
    var healthCheck: String?
    @Option(help: "The statuses of HTTP that are good. (default: 200-399)")
    var healthStatus: String?
    @Option(help: "From one check to the next, 100ms to 1h. (default: 2s)")
    var healthInterval: String?
    @Option(help: "A check fails that takes longer, 10ms to 1m. (default: 1s)")
    var healthTimeout: String?
    @Option(help: "Checks in a row that bring a backend back. (default: 2)")
    var healthRise: String?
    @Option(help: "Failed checks in a row that take a backend out. (default: 3)")
    var healthFall: String?
    @Option(help: "Another port to check. (default: the backend's, in DSR the frontend's)")
    var healthPort: String?
    @Option(help: "With fewer healthy backends than this percentage, all are used. (default: 0: where none is)")
    var healthPanicThreshold: String?

    var texts: HealthCheck.Texts {
        .init(
            check: healthCheck, port: healthPort, status: healthStatus, interval: healthInterval,
            timeout: healthTimeout, rise: healthRise, fall: healthFall, panicThreshold: healthPanicThreshold)
    }
}
