/// What people may call a run: the rule of `run --name` and of tags.
import Foundation

package struct RunName: Hashable, Sendable {
  /// In Unicode's composed form, so that one name typed on two systems is one.
  package let text: String

  package static let rule =
    "up to 64 letters, digits, `_`, `-` and `.`, the first a letter or `_`, and not `latest`"

  /// Takes what can be confused with no number, no range and no variant. Throws `InvalidRunName`.
  package init(_ text: String) throws(InvalidRunName) {
    self.text = text.precomposedStringWithCanonicalMapping
    let scalars = self.text.unicodeScalars
    func isLetter(_ scalar: Unicode.Scalar) -> Bool { scalar == "_" || scalar.properties.isAlphabetic }
    let isRight =
      (1...64).contains(scalars.count) && isLetter(scalars[scalars.startIndex])
      && scalars.allSatisfy { isLetter($0) || ("0"..."9").contains($0) || $0 == "-" || $0 == "." }
    guard isRight, Array(self.text.utf8) != Array("latest".utf8) else { throw InvalidRunName(name: text) }
  }
}

/// The program ends with exit code 2.
package struct InvalidRunName: Error, CustomStringConvertible {
  package let name: String
  package var description: String { "`\(name)` cannot be the name of a run or a tag: expected \(RunName.rule)" }
}
