/// Any bytes at all are JSON or an error with a place.
import Foundation
import JSONText
import TestSupport
import Testing

@Suite struct FuzzTests {
  @Test func `mutated JSON is read as what it writes again, or refused at a place`() throws {
    let file = Array(
      #"{"a": [1, -2.5e3, "x\u00e9\ud83d\ude00\n", {"b": null, "c": [true, false, {}]}], "d": "e"}"#.utf8)
    let result = try Fuzz("JSON", [file]).run { bytes in
      try bytes.withUnsafeBytes { raw in
        var reader = JSONReader(raw)
        do {
          let value = try reader.onlyValue()
          let written = Array(value.text().utf8)
          let again = try written.withUnsafeBytes { raw in
            var reader = JSONReader(raw)
            return try reader.onlyValue()
          }
          if again != value { throw Changed() }
          return true
        } catch let error as JSONError {
          let (line, column) = error.place(in: raw)
          if line < 1 || column < 1 { throw Changed() }
          return false
        }
      }
    }
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }

  private struct Changed: Error {}
}
