/// `split`: divides records or groups into a training, an evaluation and a test part.
import Basics
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

  @Input("Records or groups; of several files' records, each gets its file's name as `source`, unless it has one.")
  var data: [DataFile]
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
    let files = try data.map { File(text: try TextFile($0.url, encoding: encoding), label: $0.label) }
    for file in files { file.text.report(to: context, format: format, quoting: quoting) }
    let keys = try readKeys(files)
    guard !keys.isEmpty else { throw DataError(data[0].url, "there are no records to split") }
    let parts = divide(keys)
    try write(parts, of: files)

    let counts = Part.allCases.map { part in parts.count { $0 == part } }
    let used = counts.reduce(0, +)
    if used < keys.count { context.log("[split] max_samples: using \(used) of \(keys.count)") }
    context.log(
      "[split] Total: \(used) | Train: \(counts[0]) | Eval: \(counts[1])"
        + (testRatio > 0 ? " | Test: \(counts[2])" : ""))
    for (part, count) in zip(Part.allCases, counts) { context.metric(part.rawValue, Double(count)) }
    let wanted: [Part: Double] = [.train: 1, .eval: evalRatio, .test: testRatio]
    for (part, count) in zip(Part.allCases, counts) where count == 0 && wanted[part, default: 0] > 0 {
      throw DataError(data[0].url, "`\(part.rawValue)` would be empty: \(used) records are too few for these ratios")
    }
    reportLeaks(keys, parts, to: context)
  }

  private enum Part: String, CaseIterable { case train, eval, test }

  private struct File {
    let text: TextFile
    /// `nil` if it is the only one.
    let label: String?
  }

  private struct Key {
    /// `line 3`, or `b.csv:3` where there are several files.
    let place: String
    let group: String?
    let stratum: String?
    let content: String
  }

  private func forEach(in files: [File], _ body: (Record, File) throws -> Void) throws {
    for file in files {
      try forEachRecord(of: file.text, format: format, quoting: quoting) { try body($0, file) }
    }
  }

  private func readKeys(_ files: [File]) throws -> [Key] {
    var keys: [Key] = []
    let columns = Columns([:])
    try forEach(in: files) { record, file in
      let content =
        if let duplicatesBy { try columns.text(duplicatesBy, in: record) } else {
          columns.optionalText("query", or: ["question", "text"], in: record) ?? record.value.text()
        }
      keys.append(
        Key(
          place: file.label.map { "\($0):\(record.place.line)" } ?? "line \(record.place.line)",
          group: try groupBy.map { try columns.text($0, in: record) },
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

  private func write(_ parts: [Part?], of files: [File]) throws {
    let writers: [Part: LineWriter] = [
      .train: try LineWriter(train.url), .eval: try LineWriter(eval.url), .test: try LineWriter(test.url),
    ]
    var index = 0
    try forEach(in: files) { record, file in
      defer { index += 1 }
      guard let part = parts[index] else { return }
      var value = record.value
      if let label = file.label, value["source"] == nil { value["source"] = .string(label) }
      try writers[part]?.write(value)
    }
    for writer in writers.values { try writer.close() }
  }

  /// Texts are compared as `String` compares them, by canonical equivalence, which is equality after NFC.
  private func reportLeaks(_ keys: [Key], _ parts: [Part?], to context: StageContext) {
    var trained: [String: String] = [:]
    for (key, part) in zip(keys, parts) where part == .train { trained[key.content] = key.place }
    let leaks = zip(keys, parts).compactMap { key, part in
      part == .eval || part == .test ? trained[key.content].map { (held: key.place, trained: $0) } : nil
    }
    context.metric("leaking_duplicates", Double(leaks.count))
    guard let first = leaks.first else { return }
    context.warn(
      "[split] \(leaks.count) held-out records repeat one of train (\(first.held) repeats \(first.trained)); "
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
