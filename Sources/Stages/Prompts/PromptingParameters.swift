/// How records become prompts of a language model.
import Foundation
import JSONText
import Pipelines
import Training

struct PromptingParameters: ParameterGroup {
  @Parameter(
    "The form of a prompt, with `{query}`, `{type}`, `{passage}` and any field of the record, `{path}` or `{path:prefix|separator}`; a record's own `prompt` or `messages` come before it."
  )
  var prompt = "{query}"
  @Parameter("Whether prompts are chats, in the form of the model's own template.") var chat = true
  @Parameter("What the system's turn says; absent: there is none.") var system: String?
  @Parameter("The same for records of a type: {선택형: …}.") var systems: [String: String] = [:]
  @Parameter("Turns with the first so many records of the port `examples` that have the record's type.", in: 0...1000)
  var fewShot = 0
  @Parameter("Your names for `query`, `answer`, `id`, `type`, `prompt`, `messages`: headers or dotted JSON paths.")
  var columns: [String: String] = [:]

  init() {}

  private static let columnNames = ["id", "query", "answer", "type", "prompt", "messages", "records"]

  /// - Parameter hasExamples: whether something is bound to the port.
  func problems(hasExamples: Bool) -> [String] {
    var problems = Columns.problems(columns, known: Self.columnNames)
    do throws(Template.Malformed) { _ = try Template(prompt) } catch {
      problems.append("`prompt` has, as character \(error.character), \(error.message)")
    }
    if !chat, system != nil || !systems.isEmpty {
      problems.append("`system` and `systems` are turns of a chat: `chat: true`")
    }
    if fewShot > 0, !hasExamples {
      problems.append("`few_shot` needs records with answers at the port `examples`")
    } else if fewShot == 0, hasExamples {
      problems.append("the port `examples` is for `few_shot`: say how many, or leave it out")
    }
    return problems
  }

  /// All records of a file, in its order. Throws a `DataError` with the place.
  func records(_ file: URL, contexts: [String: String] = [:]) throws -> [AnswerRecord] {
    try AnswerRecord.read(file, Columns(columns), contexts: contexts)
  }

  /// A record's question as one says it: its own prompt, or the form's.
  func text(_ record: AnswerRecord) throws -> String {
    if let text = record.fields["prompt"]?.string { return text }
    return try Template(prompt).fill { field in
      switch field.path {
      case "query": [record.query]
      case "type": record.type.map { [$0] } ?? []
      default: record.texts(field.path) ?? []
      }
    }
  }
}

extension AnswerRecord {
  /// All records of a file, in its order. Throws a `DataError` with the place.
  /// - Parameter contexts: by the records' ids, what `{passage}` stands for.
  static func read(_ file: URL, _ columns: Columns, contexts: [String: String] = [:]) throws -> [AnswerRecord] {
    var records: [AnswerRecord] = []
    var keys: [String] = []
    try forEachRecord(of: TextFile(file), list: columns.names["records"]) { record in
      if records.isEmpty { keys = record.value.members?.map(\.key) ?? [] }
      let id = columns.optionalText("id", or: GroupReader.idAliases + ["Question_ID"], in: record)
      var found = AnswerRecord(
        id: id ?? "\(record.place.number)",
        query: columns.optionalText("query", or: GroupReader.queryAliases + ["Question"], in: record) ?? "",
        type: columns.optionalText("type", or: GroupReader.typeAliases, in: record),
        answer: columns.optionalText("answer", or: GroupReader.answerAliases, in: record), fields: record.value,
        place: record.place)
      found.fields["messages"] = columns.find("messages", in: record)
      found.fields["prompt"] = columns.find("prompt", in: record)
      if let passage = contexts[found.id] { found.fields["passage"] = .string(passage) }
      guard !found.query.isEmpty || found.fields["messages"] != nil || found.fields["prompt"] != nil else {
        throw columns.missing("query", in: record)
      }
      records.append(found)
    }
    guard !records.isEmpty else { throw DataError(file, "there are no records") }
    if let problem = columns.unused(of: "columns", form: "prompts", keys: keys) { throw DataError(file, problem) }
    return records
  }
}
