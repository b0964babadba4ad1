/// What a language model reads before what it is scored on.
import Foundation
import Training

/// Two forms with `{passage}`, `{query}` and `{type}`: one for a query with a passage, one for it alone.
struct PromptForm {
  private let withPassage, alone: String
  private static let fields = ["passage", "query", "type"]

  /// - Parameter asks: whether the query stands in the prompt; else it is what is scored.
  init(_ prompt: String?, alone: String?, asks: Bool) {
    withPassage = prompt ?? (asks ? "{passage}\n\n{query}\n" : "{passage}\n\n")
    self.alone = alone ?? (asks ? "{query}\n" : "")
  }

  var problems: [String] {
    [("prompt", withPassage), ("baseline_prompt", alone)].flatMap { name, form in
      do throws(Template.Malformed) {
        return try Template(form).fields.filter { !Self.fields.contains($0.path) }.map {
          "`\(name)` has, as character \($0.character), the field `{\($0.path)}`; known are "
            + Self.fields.map { "`{\($0)}`" }.joined(separator: ", ")
        }
      } catch {
        return ["`\(name)` has, as character \(error.character), \(error.message)"]
      }
    }
  }

  func text(query: String, type: String?, passage: String?) throws -> String {
    try Template(passage == nil ? alone : withPassage).fill { field in
      switch field.path {
      case "query": [query]
      case "type": type.map { [$0] } ?? []
      default: passage.map { [$0] } ?? []
      }
    }
  }
}
