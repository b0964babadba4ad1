/// What `--json` prints: sorted keys, no escaped slashes, one value.
import Foundation

func printJSON(_ value: some Encodable, pretty: Bool = true) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
  encoder.dateEncodingStrategy = .iso8601
  let data = try encoder.encode(value) + Data("\n".utf8)
  FileHandle.standardOutput.write(data)
}
