/// `retort tag` and `retort note`: what people say of runs, so that they find them again.
import ArgumentParser
import Lineage

struct Tag: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Puts a tag on a run, such as `best`, which then names it; without arguments, lists the tags.",
    discussion: """
      A tag stands on one run: put on another one, it moves. Commands that take a run take its tag, or what \
      `run --name` called it; a tag goes before a name. With --remove, RUN may be left out.
      """)

  @Argument(help: ArgumentHelp("A run's number, name or tag, or `latest`.", valueName: "run"), completion: .runNames)
  var name: String?
  @Argument(help: "The tag.") var tag: String?
  @Flag(help: "Take the tag away.") var remove = false
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  /// Absent: it stands, or stood, on none.
  private struct Report: Encodable {
    var tag: String
    var run: Int?
    var before: Int?
  }

  func validate() throws {
    if name != nil && tag == nil && !remove { throw ValidationError("expected a run and a tag: retort tag RUN TAG") }
    if name == nil && remove { throw ValidationError("--remove takes a tag: retort tag TAG --remove") }
  }

  func run() throws {
    guard let name else { return try list() }
    let journal = try Journal(at: storeOptions.existing().appending(path: "retort.sqlite"))
    let tagName = try RunName(tag ?? name)
    if remove {
      let owner = try tag.map { _ in try journal.run(named: name) }
      guard let old = try journal.removeTag(tagName, from: owner) else {
        throw Failure(
          "the tag `\(tagName.text)` stands on \(owner.map { "another run than \($0), or on none" } ?? "no run")")
      }
      return try say(
        Report(tag: tagName.text, run: nil, before: old), "`\(tagName.text)` no longer stands on run \(old)")
    }
    let number = try journal.run(named: name)
    let old = try journal.tag(number, tagName)
    let moved = old.map { $0 == number ? ", as before" : ", no longer on run \($0)" } ?? ""
    try say(
      Report(tag: tagName.text, run: number, before: old), "`\(tagName.text)` stands on run \(number)\(moved)")
  }

  private func list() throws {
    let tags = try storeOptions.reading().journal.tags()
    if json { return try printJSON(tags) }
    if tags.isEmpty { return Terminal.say("there are no tags; `retort tag RUN best` makes one") }
    var table = Table(["tag", "run"], numbers: [1])
    for tag in tags { table.add([tag.tag, "\(tag.run)"]) }
    Terminal.say(table.text)
  }

  private func say(_ report: Report, _ text: String) throws {
    if json { try printJSON(report) } else { Terminal.say(text) }
  }
}

struct Note: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a note on a run, in place of the one that it had; without TEXT, prints it.")

  @Argument(help: ArgumentHelp("A run's number, name or tag, or `latest`.", valueName: "run"), completion: .runNames)
  var name: String
  @Argument(help: "The note.") var text: String?
  @Flag(help: "Take the note away.") var remove = false
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  /// Absent: the run has none.
  private struct Report: Encodable {
    var run: Int
    var note: String?
  }

  func validate() throws {
    if text != nil && remove { throw ValidationError("TEXT and --remove exclude each other") }
    if text?.allSatisfy(\.isWhitespace) == true { throw ValidationError("the note is empty; --remove takes it away") }
  }

  func run() throws {
    let number: Int
    let note: String?
    if text == nil && !remove {
      let journal = try storeOptions.reading().journal
      number = try journal.run(named: name)
      note = try journal.note(of: number)
    } else {
      let journal = try Journal(at: storeOptions.existing().appending(path: "retort.sqlite"))
      number = try journal.run(named: name)
      try journal.setNote(number, text)
      note = text
    }
    if json { return try printJSON(Report(run: number, note: note)) }
    Terminal.say("run \(number): " + (note ?? "no note"))
  }
}
