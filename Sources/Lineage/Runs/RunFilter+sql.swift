/// Translates conditions on runs into SQL, so that the database finds what fits by its indexes.
///
/// A line is a run or, where metrics or parameters are asked for, one of its variants: `line (run, variant)`, the variant
/// by its coordinates, empty for none. Each comparison becomes the set of lines that it holds for, read from the index on
/// values; `and`, `or` and `not` join these sets.
import Basics
import GRDB
import Pipelines

/// What a name in a condition, or in `--sort`, stands for.
enum RunColumn: Hashable {
  case field(Field)
  /// A metric of the stages that the run's headline names, or of one stage.
  case metric(String, stage: String?)
  /// A parameter of any stage, or of one.
  case parameter(String, stage: String?)

  enum Field: String, CaseIterable { case run, pipeline, state, name, tag, started, seconds, note }

  var concernsVariants: Bool { if case .field = self { false } else { true } }
}

/// A parameter's value that no key holds, since it changes nothing: results of before the parameter have it too.
package struct NeutralParameter: Sendable {
  package var kind: String
  package var name: String
  package var value: ParameterValue

  package init(kind: String, name: String, value: ParameterValue) {
    (self.kind, self.name, self.value) = (kind, name, value)
  }
}

struct RunFilterCompiler {
  let db: Database
  let neutral: [NeutralParameter]

  // MARK: - Names

  /// - Parameter place: of the name in `text`, for the error.
  func column(_ name: String, in text: String, at place: Int) throws -> RunColumn {
    if let field = RunColumn.Field(rawValue: name) { return .field(field) }
    let dotted = DottedName(name)
    let (stage, rest) = (dotted.first, dotted.rest ?? "")
    if !rest.isEmpty, try isStage(stage) {
      if try isMetric(rest, of: stage) { return .metric(rest, stage: stage) }
      if try isParameter(rest, of: stage) { return .parameter(rest, stage: stage) }
      throw unknown(
        "the stage `\(stage)` has no metric or parameter `\(rest)` in any run", in: text, at: place,
        nearest(to: rest, in: try names(of: stage)).map { "\(stage).\($0)" }, of: try names(of: stage))
    }
    if try isMetric(name) { return .metric(name, stage: nil) }
    if try isParameter(name) { return .parameter(name, stage: nil) }
    let stages = rest.isEmpty ? [] : try String.fetchAll(db, sql: "SELECT DISTINCT base FROM stage_run")
    let known = RunColumn.Field.allCases.map(\.rawValue) + (try names(of: nil))
    let near = nearest(to: stage, in: stages).map { "\($0).\(rest)" } ?? nearest(to: name, in: known)
    throw unknown("no run has a metric, a parameter or a field `\(name)`", in: text, at: place, near, of: known)
  }

  /// Names what there is where nothing is near.
  private func unknown(
    _ message: String, in text: String, at place: Int, _ suggestion: String?, of known: [String]
  ) -> RunFilterError {
    RunFilterError(
      suggestion == nil ? "\(message); there are \(listed(known))" : message, in: text, at: place,
      suggestion: suggestion)
  }

  private func isStage(_ name: String) throws -> Bool {
    try Row.fetchOne(db, sql: "SELECT 1 FROM stage_run WHERE base = ? LIMIT 1", arguments: [name]) != nil
  }

  private func isMetric(_ name: String, of stage: String? = nil) throws -> Bool {
    try Row.fetchOne(
      db,
      sql: """
        SELECT 1 FROM metric CROSS JOIN stage_run ON stage_run.id = metric.stage_run
        WHERE step IS NULL AND name = ?1 AND base = coalesce(?2, base) LIMIT 1
        """, arguments: [name, stage]) != nil
  }

  private func isParameter(_ name: String, of stage: String? = nil) throws -> Bool {
    if neutral.contains(where: { $0.name == name }) { return true }
    let known = try Row.fetchOne(
      db,
      sql: """
        SELECT 1 FROM key_component CROSS JOIN stage_run USING (key)
        WHERE name = ?1 AND name >= 'seed' AND name < 'with/' AND base = coalesce(?2, base) LIMIT 1
        """, arguments: [component(name), stage])
    if known != nil || stage != nil { return known != nil }
    let coordinate: SQL =
      "SELECT 1 FROM variant, json_each(coordinates) AS one WHERE part = '' AND \(isCoordinate(name)) LIMIT 1"
    return try Row.fetchOne(db, SQLRequest<Row>(literal: coordinate)) != nil
  }

  /// The names of metrics and parameters of one stage, or of all.
  private func names(of stage: String?) throws -> [String] {
    try String.fetchAll(
      db,
      sql: """
        SELECT DISTINCT metric.name FROM metric JOIN stage_run ON stage_run.id = metric.stage_run
          WHERE step IS NULL AND base = coalesce(?1, base)
        UNION SELECT DISTINCT substr(name, 6) FROM key_component
          WHERE name >= 'with.' AND name < 'with/' AND (?1 IS NULL OR key IN (SELECT key FROM stage_run WHERE base = ?1))
        UNION SELECT DISTINCT one.key FROM variant, json_each(coordinates) AS one WHERE part = '' AND ?1 IS NULL
        UNION SELECT 'seed'
        """, arguments: [stage])
  }

  /// How a key calls a parameter.
  private func component(_ name: String) -> String { name == "seed" ? name : "with.\(name)" }

  /// Whether `one`, a row of `json_each`, has the name; the last word of a dotted one is enough.
  private func isCoordinate(_ name: String) -> SQL {
    "(one.key = \(name) OR substr(one.key, -length(\(name)) - 1) = '.' || \(name))"
  }

  // MARK: - Conditions

  /// - Parameter columns: what the names of the comparisons stand for.
  func sql(
    _ condition: RunFilter.Condition, _ columns: [String: RunColumn], in text: String
  ) throws -> SQL {
    switch condition {
    case .and(let all): "(\(try all.map { try sql($0, columns, in: text) }.joined(separator: " AND ")))"
    case .or(let all): "(\(try all.map { try sql($0, columns, in: text) }.joined(separator: " OR ")))"
    case .not(let inner): "(NOT \(try sql(inner, columns, in: text)))"
    case .comparison(let comparison):
      switch columns[comparison.name] ?? .field(.run) {
      case .field(let field): try self.field(field, comparison, in: text)
      case let column: "((line.run, line.variant) IN (\(try lines(column, comparison, in: text))))"
      }
    }
  }

  private func field(_ field: RunColumn.Field, _ comparison: RunFilter.Comparison, in text: String) throws -> SQL {
    switch field {
    case .run: return "(line.run \(try number(comparison, in: text)))"
    case .seconds: return "coalesce(\(Self.seconds) \(try number(comparison, in: text)), 0)"
    case .started:
      // As far as it is written: a day is equal to all of its moments.
      guard let time = comparison.value.time else {
        throw RunFilterError(
          "`started` is a time (UTC); expected one such as 2026-11-20 or 2026-11-20T18:30, found "
            + "`\(comparison.value.text)`", in: text, at: comparison.valuePlace)
      }
      return "(substr(run.started, 1, length(\(time))) \(sql: comparison.operation.rawValue) \(time))"
    case .tag:
      let equal = try equality(comparison, isName: true, in: text)
      let has: SQL = "EXISTS (SELECT 1 FROM tag WHERE tag.run = line.run AND tag.name \(equal))"
      return comparison.operation == .unequal ? "(NOT \(has))" : has
    case .pipeline, .state, .name, .note:
      let own = field == .name ? "label" : field.rawValue
      let column: SQL = field == .pipeline ? "pipeline.name" : "coalesce(run.\(sql: own), '')"
      let equal: SQL = "(\(column) \(try equality(comparison, isName: field == .name, in: text)))"
      return comparison.operation == .unequal ? "(NOT \(equal))" : equal
    }
  }

  static let seconds: SQL = "round((julianday(run.ended) - julianday(run.started)) * 86400, 3)"

  /// `> 0.5`
  private func number(_ comparison: RunFilter.Comparison, in text: String) throws -> SQL {
    guard case .number(let number, _) = comparison.value else {
      throw RunFilterError(
        "`\(comparison.name)` is a number; expected one, found `\(comparison.value.text)`", in: text,
        at: comparison.valuePlace)
    }
    return "\(sql: comparison.operation.rawValue) \(number)"
  }

  /// `= 'text'`, or a pattern; for both `=` and `!=`.
  /// - Parameter isName: of a run or a tag, which are stored in composed form.
  private func equality(
    _ comparison: RunFilter.Comparison, quoted: Bool = false, isName: Bool = false, in text: String
  ) throws -> SQL {
    guard [.equal, .unequal].contains(comparison.operation) else {
      throw RunFilterError(
        "`\(comparison.operation.rawValue)` compares numbers and times; `\(comparison.name)` and "
          + "`\(comparison.value.text)` are not such, so write `=` or `!=`", in: text, at: comparison.valuePlace)
    }
    let value = isName ? comparison.value.text.precomposedStringWithCanonicalMapping : comparison.value.text
    guard value.unicodeScalars.contains("*") else {
      return quoted ? "IN (json_quote(\(value)), \(value))" : "= \(value)"
    }
    let pattern = value.unicodeScalars.map { $0 == "[" || $0 == "?" ? "[\($0)]" : "\($0)" }.joined()
    return quoted ? "GLOB \("\"\(pattern)\"")" : "GLOB \(pattern)"
  }

  /// The lines that have such a value.
  private func lines(_ column: RunColumn, _ comparison: RunFilter.Comparison, in text: String) throws -> SQL {
    switch column {
    case .field: return "SELECT NULL, NULL WHERE 0"
    case .metric: return try values(column, where: "value \(try number(comparison, in: text))")
    case .parameter(let name, _):
      if case .number = comparison.value {
        // A seed is a text in keys, since JSON's numbers do not hold every one.
        let number = try number(comparison, in: text)
        return try values(column, where: "(trim(value, '\"') + 0.0 \(number) AND \(Self.isNumber(named: name)))")
      }
      let equal: SQL = "value \(try equality(comparison, quoted: true, in: text))"
      return try values(column, where: comparison.operation == .unequal ? "NOT \(equal)" : equal)
    }
  }

  static func isNumber(named name: String) -> SQL {
    name == "seed" ? "trim(value, '\"') GLOB '[-0-9]*'" : "value GLOB '[-0-9]*'"
  }

  // MARK: - Values of lines

  /// `SELECT run, variant` of each value of a metric or a parameter.
  /// - Parameters:
  ///   - condition: on `value`, a number or JSON.
  ///   - more: a further result column, of `value`.
  ///   - run: the only run to look at; absent: all.
  func values(_ column: RunColumn, where condition: SQL, more: SQL? = nil, in run: Int? = nil) throws -> SQL {
    let isInRun: SQL = run.map { "used.run = \($0)" } ?? "TRUE"
    let more: SQL = if let more { ", \(more)" } else { "" }
    let result: SQL = "used.run, coalesce(variant.coordinates, '') AS variant\(more)"
    let variant: SQL = "LEFT JOIN variant ON variant.run = used.run AND variant.part = coalesce(used.coordinates, '')"
    switch column {
    case .field: return "SELECT NULL, NULL WHERE 0"
    case .metric(let name, let stage):
      // What a cached stage measured, its maker did, under the same key. The joins go from the few to the many.
      let isMeant: SQL =
        stage.map { "used.base = \($0)" }
        ?? "(owner.headline IS NULL OR instr(owner.headline, '\"' || used.base || '.') > 0)"
      let source: SQL =
        run == nil
        ? """
        metric CROSS JOIN stage_run AS maker ON maker.id = metric.stage_run
        CROSS JOIN stage_run AS used ON used.key = maker.key AND coalesce(used.origin, used.id) = maker.id
        """
        : "stage_run AS used CROSS JOIN metric INDEXED BY metric_stage_run ON metric.stage_run = coalesce(used.origin, used.id)"
      return """
        SELECT \(result) FROM \(source) CROSS JOIN run AS owner ON owner.id = used.run \(variant)
        WHERE metric.step IS NULL AND metric.name = \(name) AND \(condition) AND \(isMeant) AND \(isInRun)
        """
    case .parameter(let name, let stage):
      let isOfStage: SQL = stage.map { "used.base = \($0)" } ?? "TRUE"
      let isMeant: SQL = "\(isOfStage) AND \(isInRun)"
      let source: SQL =
        run == nil
        ? "key_component CROSS JOIN stage_run AS used ON used.key = key_component.key"
        : "stage_run AS used CROSS JOIN key_component ON key_component.key = used.key"
      // Where one run is looked at, the key leads to the component; the index on names would lead through those of all runs.
      let isNamed: SQL =
        run == nil
        ? "name = \(component(name)) AND name >= 'seed' AND name < 'with/'" : "+name = \(component(name))"
      var parts: [SQL] = [
        """
        SELECT \(result) FROM \(source) \(variant)
        WHERE \(isNamed) AND \(condition) AND \(isMeant)
        """
      ]
      if stage == nil {
        let isOwn: SQL = run.map { "run = \($0)" } ?? "TRUE"
        parts.append(
          """
          SELECT run, coordinates AS variant\(more) FROM (
            SELECT run, coordinates, CASE one.type WHEN 'text' THEN json_quote(one.value) WHEN 'true' THEN 'true'
              WHEN 'false' THEN 'false' WHEN 'null' THEN 'null' ELSE CAST(one.value AS TEXT) END AS value
            FROM variant, json_each(coordinates) AS one
            WHERE part = '' AND \(isCoordinate(name)) AND \(isOwn))
          WHERE \(condition)
          """)
      }
      for own in neutral where own.name == name {
        // Keys leave it out.
        let json = try own.value.json
        parts.append(
          """
          SELECT \(result) FROM (SELECT \(json) AS value) CROSS JOIN stage_run AS used \(variant)
          WHERE \(condition) AND used.kind = \(own.kind) AND used.state IN ('ran', 'cached') AND \(isMeant)
            AND NOT EXISTS (SELECT 1 FROM key_component WHERE key = used.key AND name = \(component(name)))
          """)
      }
      return parts.joined(separator: " UNION ALL ")
    }
  }
}
