import Foundation

/// Opens protected settings: CMS EnvelopedData (RFC 5652) to the certificate of the VM.
enum Seal {
    /// `folder`: where the agent of Azure keeps the certificates and keys, the parent of the package's folder. The
    /// plaintext passes through a pipe alone.
    static func open(_ sealed: SettingsFile.Sealed, folder: String) async throws(HandlerError) -> Data {
        let (certificate, key) = ("\(folder)/\(sealed.thumbprint).crt", "\(folder)/\(sealed.thumbprint).prv")
        for path in [certificate, key] where !Files.exists(path) {
            throw HandlerError(
                .protectedSettings,
                "\(path) is not there: protectedSettings are for a certificate that this VM does not have")
        }
        let version = await Program.run("openssl", ["version"])
        guard version.isGood else {
            throw HandlerError(.missing, "openssl is missing, which opens protectedSettings: install it")
        }
        let arguments = ["cms", "-decrypt", "-inform", "DER", "-inkey", key, "-recip", certificate]
        guard let plaintext = await Program.filter("openssl", arguments, input: sealed.bytes) else {
            throw HandlerError(
                .protectedSettings, "protectedSettings cannot be decrypted with the key of \(sealed.thumbprint)")
        }
        return plaintext
    }
}
