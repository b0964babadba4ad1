/// Texts to model inputs on all threads, with the names of records that a model could not read.
import Tensors
import Tokenizers

/// A text that gives no token besides the special ones.
package struct EmptyText: Error, CustomStringConvertible {
  package let record: String
  package var description: String {
    "the text of \(record) has no token besides special ones; remove the record or give it a text"
  }
}

/// Encodes `count` texts; `record` names one for messages. Throws `EmptyText` for the first of them that is empty.
func tokenize(
  _ count: Int, on engine: Engine, into health: inout TokenHealth, record: (Int) -> String,
  encode: (Int) throws -> Encoding
) throws -> [Encoding] {
  let stretch = 64
  let results = [Result<Encoding, any Error>](unsafeUninitializedCapacity: count) { buffer, filled in
    let base = buffer.baseAddress
    engine.parallel((count + stretch - 1) / stretch) { piece, _ in
      for index in piece * stretch..<min((piece + 1) * stretch, count) {
        (base! + index).initialize(to: Result { try encode(index) })
      }
    }
    filled = count
  }
  return try results.enumerated().map { index, result in
    let encoding = try result.get()
    guard encoding.contentTokens > 0 else { throw EmptyText(record: record(index)) }
    health.add(encoding)
    return encoding
  }
}
