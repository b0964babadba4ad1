/// Records which stages of a run with a matrix belong to which of its variants, so that SQL can ask for variants.
import GRDB
import JSONText

extension Database {
  /// Writes the rows of `variant` anew. Does nothing for a run without a matrix, nor for one that only found cached
  /// results, unless people named, tagged or noted it: nobody looks for its variants, and it is to be over soon.
  func recordVariants(of run: Int) throws {
    let isWorthIt = try Row.fetchOne(
      cachedStatement(
        sql: """
          SELECT 1 FROM run WHERE id = ?1
            AND (label IS NOT NULL OR note IS NOT NULL OR EXISTS (SELECT 1 FROM tag WHERE tag.run = ?1)
              OR EXISTS (SELECT 1 FROM stage_run AS own
                WHERE run = ?1 AND (own.state <> 'cached' OR own.origin IS own.id)))
            AND EXISTS (SELECT 1 FROM stage_run WHERE run = ?1 AND coordinates IS NOT NULL)
          """), arguments: [run])
    if isWorthIt == nil { return }
    try execute(sql: "DELETE FROM variant WHERE run = ?", arguments: [run])
    let texts = try String.fetchAll(
      self, sql: "SELECT DISTINCT coordinates FROM stage_run WHERE run = ? AND coordinates IS NOT NULL ORDER BY 1",
      arguments: [run])
    let insert = try cachedStatement(sql: "INSERT INTO variant (run, part, coordinates) VALUES (?, ?, ?)")
    for (variant, parts) in try variantParts(of: texts) {
      for part in [""] + parts { try insert.execute(arguments: [run, part, variant]) }
    }
  }
}

/// The maximal ones among the coordinates, each with all that it contains, itself among them.
/// - Parameter texts: JSON objects, each once.
func variantParts(of texts: [String]) throws -> [(variant: String, parts: [String])] {
  typealias Choice = [String: JSONValue]
  let choices = try texts.map { text in
    try Array(text.utf8).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return Choice((try reader.onlyValue().members ?? []).map { ($0.key, $0.value) }) { $1 }
    }
  }
  // Matrices know few sets of names, and many values: what contains what is asked once a set, not once a pair.
  let names = Set(choices.map { Set($0.keys) })
  let textOfChoice = Dictionary(zip(choices, texts)) { first, _ in first }
  var inner: Set<Choice> = []
  for choice in choices {
    let own = Set(choice.keys)
    for smaller in names where smaller.isStrictSubset(of: own) {
      inner.insert(choice.filter { smaller.contains($0.key) })
    }
  }
  return zip(choices, texts).filter { !inner.contains($0.0) }.map { choice, text in
    let parts = names.compactMap { names in
      names.isSubset(of: choice.keys) ? textOfChoice[choice.filter { names.contains($0.key) }] : nil
    }
    return (text, parts)
  }
}
