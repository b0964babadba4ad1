/// Texts to model inputs, with the names of records that a model could not read.
import Tensors
import Tokenizers

/// A text that gives no token besides the special ones, or none to pool.
package struct EmptyText: Error, CustomStringConvertible {
  package let record: String
  var hasPrompt = false
  package var description: String {
    "the text of \(record) has no token besides special ones\(hasPrompt ? " and its prompt's" : ""); "
      + "remove the record or give it a text"
  }
}

/// Encodes the texts of a range on the calling thread; `record` names one for messages. Throws `EmptyText`.
func tokenize(
  _ range: Range<Int>, into health: inout TokenHealth, record: (Int) -> String, encode: (Int) throws -> Encoding
) throws -> [Encoding] {
  try Profile.measure(.tokenizing) {
    try range.map { index in
      let encoding = try encode(index)
      guard encoding.contentTokens > 0 else { throw EmptyText(record: record(index)) }
      guard encoding.ids.count > encoding.unpooled else { throw EmptyText(record: record(index), hasPrompt: true) }
      health.add(encoding)
      return encoding
    }
  }
}

/// As above for texts `0 ..< count`, on all of the device's threads. Throws for the first that is empty.
func tokenize(
  _ count: Int, on device: any Device, into health: inout TokenHealth, record: (Int) -> String,
  encode: (Int) throws -> Encoding
) throws -> [Encoding] {
  let stretch = 64
  let results = Profile.measure(.tokenizing) {
    [Result<Encoding, any Error>](unsafeUninitializedCapacity: count) { buffer, filled in
      let base = buffer.baseAddress
      device.onHost((count + stretch - 1) / stretch) { piece in
        for index in piece * stretch..<min((piece + 1) * stretch, count) {
          (base! + index).initialize(to: Result { try encode(index) })
        }
      }
      filled = count
    }
  }
  return try tokenize(0..<count, into: &health, record: record) { try results[$0].get() }
}
