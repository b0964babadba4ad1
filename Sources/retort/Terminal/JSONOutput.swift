/// What `--json` prints: sorted keys, no escaped slashes, one value.
import Escaping
import Foundation

func printJSON(_ value: some Encodable, pretty: Bool = true) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
  encoder.dateEncodingStrategy = .iso8601
  let text = String(decoding: try encoder.encode(value), as: UTF8.self)
  try Terminal.pass(Escape.json(text) + "\n")
}
