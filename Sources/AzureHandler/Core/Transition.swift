/// What a command has to do with the versions that are there: its own package's, the one that is installed, and one
/// that the agent of Azure is about to put in its place.
enum Transition {
    enum Install: Equatable {
        /// It is there already.
        case nothing
        /// Only the handler differs: the product that is at work is left alone.
        case handler
        case product
    }

    /// For install and update. `isWhole`: all files of the installed one are there.
    static func install(
        _ own: PackageVersion, over installed: PackageVersion?, isWhole: Bool, isForbidden: Bool
    ) throws(HandlerError) -> Install {
        guard let installed else { return .product }
        if own == installed { return isWhole ? .nothing : .product }
        guard !isForbidden else {
            throw HandlerError(
                .forbidden, "\(Layout.updateGate) is there, so \(installed) stays: remove it to let \(own) in")
        }
        guard own > installed else {
            throw HandlerError(.older, "\(own) is older than \(installed), which is installed: remove that first")
        }
        return own.product == installed.product && isWhole ? .handler : .product
    }

    /// Where a lower version is asked for, the agent of Azure calls the update of the higher one, which goes:
    /// both variables then hold the lower.
    static func isDowngrade(_ own: PackageVersion, target: PackageVersion?) -> Bool {
        target.map { $0 < own } ?? false
    }

    enum Uninstall: Equatable {
        /// Another version's things are installed, as the old one's uninstall comes after the new one's update.
        case othersStay
        /// A lower version follows: packets are balanced on without an agent until it has one.
        case pathStays
        case everything
    }

    /// `isFollowed`: another version is about to come. One that is newer than what is installed is the remains of an
    /// update that failed, whose removal is meant for the extension as a whole.
    static func uninstall(_ own: PackageVersion, installed: PackageVersion?, isFollowed: Bool) -> Uninstall {
        if let installed, own < installed { return .othersStay }
        return isFollowed ? .pathStays : .everything
    }
}

/// Another version's folder beside the package's own.
struct Sibling: Equatable, Sendable {
    /// `config/HandlerState`; nil where it is not there.
    var state: String?
    /// The agent of Azure has unpacked and prepared it.
    var isPrepared: Bool

    /// Whether it is about to be put in the place of the one that is installed. The agent of Azure marks it so before
    /// the old one's disable, and as FailedUpgrade when its update has failed.
    var follows: Bool { isPrepared && state == "NotInstalled" }
}
