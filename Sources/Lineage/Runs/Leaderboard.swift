/// The lines of `retort runs`: runs and variants that fit a condition, in an order, with their headline metrics.
import Foundation
import GRDB
import Pipelines
import Scheduling

/// A run, or one of its variants.
package struct RunLine: Codable, Sendable, Hashable {
  package struct Headline: Codable, Sendable, Hashable {
    /// `stage.metric`
    package var metric: String
    /// One for each stage that has it: several where the line is of a run with variants.
    package var values: [Double]
  }
  /// What the condition or the order asked for.
  package struct Column: Codable, Sendable, Hashable {
    package var name: String
    package var values: [ParameterValue]
  }
  package var run: Int
  /// As arguments name it: `12`, `12[tau=0.1]`.
  package var id: String
  /// The variant's coordinates; empty for a run.
  package var coordinates: [String: ParameterValue]
  package var name: String?
  package var tags: [String]
  package var note: String?
  package var pipeline: String
  package var file: String
  package var state: String
  package var started: Date
  package var seconds: Double?
  /// Number of the run's stages by state.
  package var stages: [String: Int]
  /// What a run took over that goes on where another one was cut off.
  package var recovery: Recovery?
  package var headline: [Headline]
  package var columns: [Column]
}

/// What `retort runs` is asked for.
package struct RunQuestion: Sendable {
  package var filter: RunFilter?
  /// A field, a metric or a parameter; lines without it go last. Absent: the latest run first.
  package var sort: (name: String, descending: Bool)?
  package var pipeline: String?
  /// Also runs that only found cached results and that nobody named, tagged or noted.
  package var all = false
  package var limit = 50
  package var neutral: [NeutralParameter] = []
  package init() {}
}

extension Journal {
  /// Gives the lines, and how many there are without the limit. Throws `RunFilterError` for unknown names.
  package func runs(_ question: RunQuestion = RunQuestion()) throws -> (lines: [RunLine], count: Int) {
    try database.read { db in
      let compiler = RunFilterCompiler(db: db, neutral: question.neutral)
      var columns: [String: RunColumn] = [:]
      for comparison in question.filter?.comparisons ?? [] where columns[comparison.name] == nil {
        columns[comparison.name] = try compiler.column(
          comparison.name, in: question.filter?.text ?? "", at: comparison.namePlace)
      }
      if let sort = question.sort { columns[sort.name] = try compiler.column(sort.name, in: sort.name, at: 0) }
      let rows = try SQLRequest<Row>(literal: question.sql(columns, compiler)).fetchAll(db)
      let shown = question.names.compactMap { name in columns[name].map { (name, $0) } }.filter(\.1.concernsVariants)
      let lines = try rows.map { row in
        var line = try db.line(row["run"], variant: row["variant"])
        line.columns = try shown.map { name, column in
          let values = try compiler.values(column, of: line.run, variant: row["variant"])
          return RunLine.Column(name: name, values: values)
        }
        return line
      }
      return (lines, rows.first?["count"] ?? 0)
    }
  }
}

extension RunQuestion {
  /// The names in the condition and the order, each once.
  fileprivate var names: [String] { distinct((filter?.comparisons.map(\.name) ?? []) + (sort.map { [$0.name] } ?? [])) }

  fileprivate func sql(_ columns: [String: RunColumn], _ compiler: RunFilterCompiler) throws -> SQL {
    let lines: SQL =
      columns.values.contains(where: \.concernsVariants)
      ? """
      SELECT run.id AS run, coalesce(variant.coordinates, '') AS variant
      FROM run LEFT JOIN variant ON variant.run = run.id AND variant.part = ''
      """ : "SELECT id AS run, '' AS variant FROM run"
    var conditions: [SQL] = []
    if let filter { conditions.append(try compiler.sql(filter.root, columns, in: filter.text)) }
    if let pipeline { conditions.append("pipeline.name = \(pipeline)") }
    if !all {
      conditions.append(
        """
        (run.state = 'running' OR run.label IS NOT NULL OR run.note IS NOT NULL
          OR EXISTS (SELECT 1 FROM tag WHERE tag.run = line.run)
          OR EXISTS (SELECT 1 FROM stage_run AS own
            WHERE own.run = line.run AND (own.state <> 'cached' OR own.origin IS own.id))
          OR NOT EXISTS (SELECT 1 FROM stage_run AS own WHERE own.run = line.run))
        """)
    }
    var (join, order): (SQL, SQL) = ("", "")
    if let sort, let column = columns[sort.name] {
      (join, order) = try compiler.order(column, descending: sort.descending)
    }
    return """
      WITH line AS (\(lines))
      SELECT line.run, line.variant, count(*) OVER () AS count
      FROM line CROSS JOIN run ON run.id = line.run CROSS JOIN pipeline ON pipeline.id = run.pipeline
        \(join)
      WHERE \(conditions.isEmpty ? "TRUE" : conditions.joined(separator: " AND "))
      ORDER BY \(order) line.run DESC, line.variant LIMIT \(limit)
      """
  }
}

extension RunFilterCompiler {
  /// What goes into `FROM` and before other terms of `ORDER BY`. Of several values of a line the one counts that puts it
  /// foremost.
  fileprivate func order(_ column: RunColumn, descending: Bool) throws -> (join: SQL, terms: SQL) {
    let direction: SQL = descending ? "DESC" : "ASC"
    switch column {
    case .field(let field):
      let value: SQL =
        switch field {
        case .run: "line.run"
        case .pipeline: "pipeline.name"
        case .seconds: Self.seconds
        case .tag: "(SELECT min(name) FROM tag WHERE tag.run = line.run)"
        case .name: "run.label"
        case .state, .note, .started: "run.\(sql: field.rawValue)"
        }
      return ("", "\(value) IS NULL, \(value) \(direction),")
    case .metric, .parameter:
      let best: SQL = descending ? "max(value)" : "min(value)"
      // Numbers come before texts.
      let value: SQL =
        if case .parameter(let name, _) = column {
          "CASE WHEN \(Self.isNumber(named: name)) THEN trim(value, '\"') + 0.0 ELSE value END AS value"
        } else { "value" }
      let join: SQL = """
        LEFT JOIN (SELECT run, variant, \(best) AS value FROM (\(try values(column, where: "TRUE", more: value)))
          GROUP BY run, variant) AS sorted ON sorted.run = line.run AND sorted.variant = line.variant
        """
      return (join, "sorted.value IS NULL, sorted.value \(direction),")
    }
  }

  /// The values that one line has, each once.
  fileprivate func values(_ column: RunColumn, of run: Int, variant: String) throws -> [ParameterValue] {
    let one: SQL = """
      SELECT DISTINCT value FROM (\(try values(column, where: "TRUE", more: "value", in: run)))
      WHERE variant = \(variant)
      """
    return try SQLRequest<DatabaseValue>(literal: one).fetchAll(db).map { value in
      // A metric is a number, a parameter JSON.
      if case .double(let number) = value.storage {
        .double(number)
      } else {
        try decoded(String.fromDatabaseValue(value) ?? "null")
      }
    }
  }
}

extension Database {
  fileprivate func line(_ run: Int, variant: String) throws -> RunLine {
    let row = try Row.fetchOne(
      cachedStatement(
        sql: """
          SELECT name, file, state, started, ended, label, note, headline
          FROM run JOIN pipeline ON pipeline.id = run.pipeline WHERE run.id = ?
          """), arguments: [run])
    guard let row else { throw UnknownRun(name: String(run)) }
    let counts = try Row.fetchAll(
      cachedStatement(sql: "SELECT state, count(*) AS count FROM stage_run WHERE run = ? GROUP BY state"),
      arguments: [run])
    let tags = try String.fetchAll(
      cachedStatement(sql: "SELECT name FROM tag WHERE run = ? ORDER BY name"), arguments: [run])
    return RunLine(
      run: run, id: "\(run)\(try coordinateSuffix(variant))",
      coordinates: variant.isEmpty ? [:] : try decoded(variant), name: row["label"], tags: tags, note: row["note"],
      pipeline: row["name"], file: row["file"], state: row["state"], started: row["started"], seconds: row.seconds,
      stages: Dictionary(uniqueKeysWithValues: counts.map { ($0["state"], $0["count"]) }),
      recovery: try recovery(of: run),
      headline: try headline(try (row["headline"] as String?).map(decoded) ?? [], of: run, variant: variant),
      columns: [])
  }

  /// `[tau=0.1,K=4]`, in the matrix's order.
  private func coordinateSuffix(_ variant: String) throws -> String {
    guard !variant.isEmpty else { return "" }
    let names = try String.fetchAll(
      cachedStatement(sql: "SELECT key FROM json_each(?) ORDER BY id"), arguments: [variant])
    let values: [String: ParameterValue] = try decoded(variant)
    return names.compactMap { name in values[name].map { Coordinate(name, $0) } }.suffix
  }

  private func headline(_ declared: [String], of run: Int, variant: String) throws -> [RunLine.Headline] {
    let rows = try Row.fetchAll(
      cachedStatement(
        sql: """
          SELECT base || '.' || metric.name AS name, value
          FROM stage_run CROSS JOIN metric ON metric.stage_run = coalesce(origin, stage_run.id)
          WHERE run = ?1 AND step IS NULL AND value IS NOT NULL
            AND (?2 = '' OR coalesce(coordinates, '') IN (SELECT part FROM variant WHERE run = ?1 AND coordinates = ?2))
            AND base || '.' || metric.name IN (SELECT value FROM json_each(?3))
          ORDER BY stage_run.id
          """),
      arguments: [run, variant, try storedText(declared)])
    let values = Dictionary(grouping: rows) { $0["name"] as String }.mapValues { $0.map { $0["value"] as Double } }
    return declared.compactMap { name in values[name].map { RunLine.Headline(metric: name, values: $0) } }
  }
}
