/// Brings queries and passages to the form that a model wants: e5's `query: {text}`, an instruction, a title in front.
import Foundation

struct Template {
  private let pattern: String

  init(_ pattern: String) { self.pattern = pattern }

  static func problems(_ pattern: String, named name: String) -> [String] {
    pattern.contains("{text}") ? [] : ["`\(name)` must contain `{text}`"]
  }

  /// A missing title goes together with one space after it.
  func fill(text: String, title: String? = nil) -> String {
    var rest = pattern[...]
    var result = ""
    while let open = rest.firstIndex(of: "{") {
      result += rest[..<open]
      rest = rest[open...]
      if rest.hasPrefix("{text}") {
        result += text
        rest = rest.dropFirst(6)
      } else if rest.hasPrefix("{title}") {
        result += title ?? ""
        rest = rest.dropFirst(7)
        if title == nil && rest.hasPrefix(" ") { rest = rest.dropFirst() }
      } else {
        result += rest.prefix(1)
        rest = rest.dropFirst()
      }
    }
    return result + rest
  }
}
