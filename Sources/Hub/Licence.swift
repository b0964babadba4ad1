/// Under what terms a model may be used, as the front matter of its card says.
import Artifacts
import Basics
import Foundation
import Pipelines

package struct Licence: Sendable, Hashable {
  package struct Field: Sendable, Hashable {
    package let key, value: String
  }
  /// Those of `license`, `license_name` and `license_link` that are there, in this order.
  package let fields: [Field]
  private static let keys = ["license", "license_name", "license_link"]
  /// A card is a text that people read.
  private static let longestCard = 4 << 20

  /// `nil` if the card names none.
  package init?(card: String) {
    let lines = card.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    guard lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") else { return nil }
    let head = lines[1..<end]
    fields = Self.keys.compactMap { key in
      guard let place = head.firstIndex(where: { $0.hasPrefix("\(key):") }) else { return nil }
      let own = Self.plain(head[place].dropFirst(key.utf8.count + 1))
      // Several are a list, each in a line of its own.
      let listed = head[(place + 1)...].prefix { $0.drop { $0 == " " }.hasPrefix("- ") }
      let all = own.isEmpty ? listed.map { Self.plain($0.drop { $0 == " " }.dropFirst(2)) } : [own]
      let value = all.filter { !$0.isEmpty }.joined(separator: ", ")
      return value.isEmpty ? nil : Field(key: key, value: value)
    }
    if fields.isEmpty { return nil }
  }

  /// Reads the card in a model's folder.
  package init?(folder: URL) throws {
    let card = folder.appending(path: "README.md")
    guard FileStatus.of(card)?.isFile == true else { return nil }
    self.init(card: String(decoding: try ForeignFile.contents(of: card, atMost: Self.longestCard), as: UTF8.self))
  }

  /// In a word: of what the hub calls `other`, the name that its maker gave it.
  package var name: String {
    let chosen =
      fields.first { $0.key == "license" && $0.value != "other" } ?? fields.first { $0.key == "license_name" }
    return chosen?.value ?? fields[0].value
  }

  private static func plain(_ value: Substring) -> String {
    value.trimmingCharacters(in: CharacterSet(charactersIn: " \t\"'[]"))
  }
}

extension Hub {
  /// What the card says of the model, which is downloaded if need be; `nil` if it says nothing, or there is none.
  package func licence(of revision: HubRevision) throws -> Licence? {
    try fetchCard(of: revision)
    return try Licence(folder: folder(of: revision))
  }

  /// The same of a model by the name that history has, `hf://org/name@commit`, if the cache has its card.
  package func licence(ofCached name: String) throws -> Licence? {
    guard let reference = HubReference(name), let commit = reference.revision, isCommit(commit) else { return nil }
    return try Licence(
      folder: folder(of: HubRevision(repository: reference.repository, revision: commit, commit: commit)))
  }
}
