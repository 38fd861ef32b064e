import Balancer

extension ServiceBody {
    /// The request that it stands for; of a list that is wrong, an error names the entry.
    func placedRequest() throws(APIError) -> ServiceRequest {
        do throws(APIError) {
            return try request()
        } catch {
            throw placed(error)
        }
    }

    private func placed(_ error: APIError) -> APIError {
        let field = error.field ?? String(error.message.prefix { $0 != ":" })
        guard error.message.hasPrefix("\(field):") else { return error }
        let parts = field.split(separator: ".", maxSplits: 1).map(String.init)
        let path: String
        switch parts.first.flatMap(CodingKeys.init(stringValue:)) {
        case .backends:
            path = place(\.backends).map { "backends[\($0)].\(parts.dropFirst().first ?? "backend")" } ?? field
        case .sourceRanges: path = place(\.entries).map { "source_ranges[\($0)]" } ?? field
        case nil: return error
        default: path = field
        }
        return APIError(error.code, path + error.message.dropFirst(field.count), mend: error.mend, field: path)
    }

    private var entries: [String] {
        get { sourceRanges ?? [] }
        set { sourceRanges = newValue }
    }

    /// The first entry with which it is wrong: shorter lists are right, longer ones are not.
    private func place<Entry>(_ list: WritableKeyPath<Self, [Entry]>) -> Int? {
        let entries = self[keyPath: list]
        var (right, wrong) = (0, entries.count)
        guard wrong > 0 else { return nil }
        while wrong - right > 1 {
            let middle = (right + wrong) / 2
            var shorter = self
            shorter[keyPath: list] = Array(entries.prefix(middle))
            do throws(APIError) {
                _ = try shorter.request()
                right = middle
            } catch {
                wrong = middle
            }
        }
        return wrong - 1
    }
}
