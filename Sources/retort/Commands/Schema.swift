/// `retort schema`: the JSON Schema of pipeline and experiment files.
import ArgumentParser
import Artifacts
import Foundation
import Pipelines

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Prints the JSON Schema of pipeline and experiment files.",
    discussion: """
      With `# yaml-language-server: $schema=../.retort/schema.json` as its first line, an editor completes and checks a \
      file in `pipelines/` as it is written.
      """)

  @Flag(help: "Write it to the store, .retort/schema.json, and print its path.") var write = false
  @OptionGroup var storeOptions: StoreOptions

  func run() throws {
    let schema = PipelineSchema(.builtIn).document.text(.document)
    guard write else { return try Terminal.pass(schema) }
    let here = URL(filePath: FileManager.default.currentDirectoryPath)
    Terminal.say(
      try writeSchema(to: storeOptions.folder(root: projectRoot(of: here.appending(path: "any"), workingFolder: here))))
  }
}

/// Writes the schema into a store, which it makes if need be; returns its path.
func writeSchema(to store: URL) throws -> String {
  let store = try Store(at: store)
  let file = store.root.appending(path: "schema.json")
  try store.files.replace(file, with: Data(PipelineSchema(.builtIn).document.text(.document).utf8))
  return file.path(percentEncoded: false)
}
