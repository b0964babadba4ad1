/// `split`: divides records or groups into a training, an evaluation and a test part.
import Foundation
import JSONText
import Pipelines

struct Split: Stage {
  static let kind = StageKind("split", revision: 1)
  static let abstract = "Divides records or groups into train, eval and test, by a seeded shuffle."
  static let metrics = [
    MetricDescription("train", "Records in each part.", nil),
    MetricDescription("eval", "Records in each part.", nil),
    MetricDescription("test", "Records in each part.", nil),
    MetricDescription("leaking_duplicates", "Records that stand, equal, in two parts.", .lower),
  ]

  @Input("Records or groups.") var data: DataFile
  @Parameter("Share of records for `eval`.", in: 0...1) var evalRatio = 0.2
  @Parameter("Share of records for `test`.", in: 0...1) var testRatio = 0.0
  @Parameter("Use only a seeded sample of so many records.", in: 1...Int.max) var maxSamples: Int?
  @Parameter("A field (or dotted path) whose values are to be divided in the same proportion.") var stratifyBy: String?
  @Parameter("A field (or dotted path); records with the same value stay together.") var groupBy: String?
  @Parameter("The field that shows duplicates; default `query`, `question` or `text`, else the whole record.")
  var duplicatesBy: String?
  @Parameter("The data's format.") var format = RecordFormat.auto
  @Parameter("Whether quotes enclose fields of a table or are text.", neutral: Quoting.auto) var quoting = Quoting.auto
  @Parameter("The data's encoding.") var encoding = FileEncoding.auto
  @Seed var seed
  @Output("For training.", file: "train.jsonl", like: "data") var train: DataFile
  @Output("For choosing and comparing.", file: "eval.jsonl", like: "data") var eval: DataFile
  @Output("Held back to the end; empty unless `test_ratio` is given.", file: "test.jsonl", like: "data")
  var test: DataFile

  func problems() -> [String] {
    evalRatio + testRatio < 1 ? [] : ["`eval_ratio` + `test_ratio` must be below 1, so that something is left to train"]
  }

  /// Two passes, so that no record is kept: the first looks at keys, the second writes. Parts keep the file's order.
  func run(_ context: StageContext) async throws {
    let file = try TextFile(data.url, encoding: encoding)
    file.report(to: context, format: format, quoting: quoting)
    let keys = try readKeys(file)
    guard !keys.isEmpty else { throw DataError(data.url, "there are no records to split") }
    let parts = divide(keys)
    try write(parts, of: file)

    let counts = Part.allCases.map { part in parts.count { $0 == part } }
    let used = counts.reduce(0, +)
    if used < keys.count { context.log("[split] max_samples: using \(used) of \(keys.count)") }
    context.log(
      "[split] Total: \(used) | Train: \(counts[0]) | Eval: \(counts[1])"
        + (testRatio > 0 ? " | Test: \(counts[2])" : ""))
    for (part, count) in zip(Part.allCases, counts) { context.metric(part.rawValue, Double(count)) }
    let wanted: [Part: Double] = [.train: 1, .eval: evalRatio, .test: testRatio]
    for (part, count) in zip(Part.allCases, counts) where count == 0 && wanted[part, default: 0] > 0 {
      throw DataError(data.url, "`\(part.rawValue)` would be empty: \(used) records are too few for these ratios")
    }
    reportLeaks(keys, parts, to: context)
  }

  private enum Part: String, CaseIterable { case train, eval, test }

  private struct Key {
    let line: Int
    let group: String?
    let stratum: String?
    let content: String
  }

  private func readKeys(_ file: TextFile) throws -> [Key] {
    var keys: [Key] = []
    let columns = Columns([:])
    try forEachRecord(of: file, format: format, quoting: quoting) { record in
      let content =
        if let duplicatesBy { try columns.text(duplicatesBy, in: record) } else {
          columns.optionalText("query", or: ["question", "text"], in: record) ?? record.value.text()
        }
      keys.append(
        Key(
          line: record.place.line, group: try groupBy.map { try columns.text($0, in: record) },
          stratum: try stratifyBy.map { try columns.text($0, in: record) }, content: content))
    }
    return keys
  }

  /// Each record's part; `nil`: left out by `max_samples`.
  private func divide(_ keys: [Key]) -> [Part?] {
    var units: [[Int]] = []  // records that stay together
    var unitOfGroup: [String: Int] = [:]
    for (index, key) in keys.enumerated() {
      if let group = key.group, let unit = unitOfGroup[group] {
        units[unit].append(index)
      } else {
        if let group = key.group { unitOfGroup[group] = units.count }
        units.append([index])
      }
    }
    units = fill(units.shuffled(seed: seed), upTo: maxSamples ?? keys.count).taken

    var strata: [[[Int]]] = []
    var placeOfStratum: [String: Int] = [:]
    for unit in units {
      let stratum = keys[unit[0]].stratum ?? ""
      if let place = placeOfStratum[stratum] {
        strata[place].append(unit)
      } else {
        placeOfStratum[stratum] = strata.count
        strata.append([unit])
      }
    }
    var parts = [Part?](repeating: nil, count: keys.count)
    for stratum in strata {
      let count = Double(stratum.lazy.map(\.count).reduce(0, +))
      let trainCount = Int(count * (1 - (evalRatio + testRatio)))
      let (train, rest) = fill(stratum, upTo: trainCount)
      let (eval, test) = fill(rest, upTo: testRatio > 0 ? Int(count * (1 - testRatio)) - trainCount : Int.max)
      for (part, units) in [(Part.train, train), (.eval, eval), (.test, test)] {
        for index in units.joined() { parts[index] = part }
      }
    }
    return parts
  }

  /// Takes units in order while they fit into `limit` records; what does not fit is the rest.
  private func fill(_ units: [[Int]], upTo limit: Int) -> (taken: [[Int]], rest: [[Int]]) {
    var taken: [[Int]] = []
    var rest: [[Int]] = []
    var room = limit
    for unit in units {
      if unit.count <= room {
        taken.append(unit)
        room -= unit.count
      } else {
        rest.append(unit)
      }
    }
    return (taken, rest)
  }

  private func write(_ parts: [Part?], of file: TextFile) throws {
    let writers: [Part: LineWriter] = [
      .train: try LineWriter(train.url), .eval: try LineWriter(eval.url), .test: try LineWriter(test.url),
    ]
    var index = 0
    try forEachRecord(of: file, format: format, quoting: quoting) { record in
      if let part = parts[index] { try writers[part]?.write(record.value) }
      index += 1
    }
    for writer in writers.values { try writer.close() }
  }

  /// Texts are compared as `String` compares them, by canonical equivalence, which is equality after NFC.
  private func reportLeaks(_ keys: [Key], _ parts: [Part?], to context: StageContext) {
    var trained: [String: Int] = [:]
    for (key, part) in zip(keys, parts) where part == .train { trained[key.content] = key.line }
    let leaks = zip(keys, parts).compactMap { key, part in
      part == .eval || part == .test ? trained[key.content].map { (held: key.line, trained: $0) } : nil
    }
    context.metric("leaking_duplicates", Double(leaks.count))
    guard let first = leaks.first else { return }
    context.warn(
      "[split] \(leaks.count) held-out records repeat one of train (line \(first.held) repeats line \(first.trained)); "
        + "`group_by` a field that repeats with them keeps duplicates on one side")
  }
}

extension TextFile {
  /// Says so where the file was not UTF-8, or is a table of unusual form.
  func report(to context: StageContext, format: RecordFormat, quoting: Quoting) {
    if encoding != "UTF-8" { context.log("\(url.lastPathComponent) was read as \(encoding)") }
    for remark in tableRemarks(of: self, format: format, quoting: quoting) {
      context.log("\(url.lastPathComponent): \(remark)")
    }
  }
}
