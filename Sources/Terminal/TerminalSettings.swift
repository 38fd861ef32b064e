#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The width of a terminal in columns: 80 when it does not say, `nil`, for
/// no bound, when the descriptor is no terminal.
public func terminalWidth(of descriptor: Int32 = STDOUT_FILENO) -> Int? {
    guard isatty(descriptor) == 1 else { return nil }
    var size = winsize()
    let answered = unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0
    return answered && size.ws_col > 0 ? Int(size.ws_col) : 80
}

/// The settings of a terminal as they were found, and the two made from them.
struct TerminalSettings: Sendable {
    private let descriptor: Int32
    private let found: termios
    var interruptKey: UInt8 { found.c_cc.0 }
    var echoes: Bool { found.c_lflag & tcflag_t(ECHO) != 0 }

    /// `nil` when the descriptor is no terminal.
    init?(of descriptor: Int32) {
        var settings = termios()
        guard unsafe tcgetattr(descriptor, &settings) == 0 else { return nil }
        self.descriptor = descriptor
        found = settings
    }

    /// Every key is a byte for the reader, the interrupt key too. What other
    /// threads print keeps its line ends.
    func setForReading() { apply(clearing: ICANON | ECHO | ISIG) }

    /// While a command runs the interrupt key is a signal again. The kernel's
    /// line mode stays off: it would cut long pastes and echo them twice.
    func setBetweenLines() { apply(clearing: ICANON | ECHO) }

    /// Callable from any thread, at any time.
    func restore() { apply(clearing: 0) }

    private func apply(clearing flags: Int32) {
        var settings = found
        settings.c_lflag &= ~tcflag_t(flags)
        if flags != 0 {
            unsafe withUnsafeMutableBytes(of: &settings.c_cc) { keys in
                unsafe keys[Int(VMIN)] = 1
                unsafe keys[Int(VTIME)] = 0
            }
        }
        // TCSADRAIN would wait for a terminal that was stopped with ^S.
        while unsafe tcsetattr(descriptor, TCSANOW, &settings) != 0, errno == EINTR {}
    }
}

/// Writes all of it. False when the other side is gone.
@discardableResult
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        if count >= 0 {
            rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
            // A shared terminal may have been made non-blocking by another process.
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = unsafe poll(&ready, 1, -1)
        } else if errno != EINTR {
            return false
        }
    }
    return true
}
