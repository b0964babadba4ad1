/// Vectors in a byte or a bit a number, as sentence-transformers' `quantize_embeddings` has them.
import Foundation
import Models
import Pipelines
import Tensors

/// What numbers of vectors become.
enum VectorType: String, ParameterChoice {
  case float32
  /// Whole numbers from -128 to 127.
  case int8
  /// Those of int8, and 128.
  case uint8
  /// A bit a number, eight to a byte, the first the highest; 128 less.
  case binary
  /// The bits as they are.
  case ubinary

  var isBinary: Bool { self == .binary || self == .ubinary }
}

/// How numbers become codes, and codes numbers. The formulas are those of sentence-transformers 6.2, in fp32.
struct VectorCodes {
  let type: VectorType
  /// The least and the largest number of each dimension. [width] each
  private(set) var least: [Float]
  private(set) var largest: [Float]
  private var steps: [Float] = []

  /// - Parameter rows: calls its argument with the rows that tell the ranges of int8 and uint8, some at a time. [n, width]
  init(_ type: VectorType, width: Int, ranges rows: (_ body: ([Float]) -> Void) throws -> Void) rethrows {
    self.type = type
    var (least, largest) = ([Float](repeating: .infinity, count: width), [Float](repeating: -.infinity, count: width))
    if !type.isBinary {
      try rows { values in
        for start in stride(from: 0, to: values.count, by: width) {
          for column in 0..<width {
            least[column] = min(least[column], values[start + column])
            largest[column] = max(largest[column], values[start + column])
          }
        }
      }
    }
    (self.least, self.largest) = (least, largest)
    steps = zip(least, largest).map { least, largest in
      let step = (largest - least) / 255
      return step == 0 ? 1 : step
    }
  }

  /// Bytes of a row.
  var rowBytes: Int { type.isBinary ? (least.count + 7) / 8 : least.count }

  /// The place of a number in the 256 steps of its dimension.
  private func place(_ x: Float, _ column: Int) -> UInt8 {
    let place = ((x - least[column]) / steps[column]).rounded(.down)
    return place >= 255 ? 255 : place > 0 ? UInt8(place) : 0
  }

  /// What is written of a row. [rowBytes]
  func bytes(_ row: ArraySlice<Float>) -> [UInt8] {
    guard type.isBinary else {
      return row.enumerated().map { type == .int8 ? place($1, $0) ^ 0x80 : place($1, $0) }
    }
    var bytes = [UInt8](repeating: type == .binary ? 0x80 : 0, count: rowBytes)
    for (column, x) in row.enumerated() where x > 0 { bytes[column / 8] ^= 0x80 >> UInt8(column % 8) }
    return bytes
  }

  /// Codes as numbers whose products compare them: those of int8, or 1 and -1, whose product is the width less twice
  /// the bits that differ.
  func compared(_ x: Float, _ column: Int) -> Float {
    type.isBinary ? (x > 0 ? 1 : -1) : Float(place(x, column)) - 128
  }

  /// What a number's code stands for when a query in floats meets it: the lower end of its step, or the bit.
  func decoded(_ x: Float, _ column: Int) -> Float {
    type.isBinary ? (x > 0 ? 1 : 0) : Float(place(x, column)) * steps[column] + least[column]
  }
}

extension EmbeddingMatrix {
  static let codesFile = "quantized.safetensors"
  /// Rows that are read at a time; decides no bit.
  private static let rowsAtOnce = 1 << 12

  func forEachBlock(_ body: ([Float]) throws -> Void) throws {
    for start in stride(from: 0, to: digests.count, by: Self.rowsAtOnce) {
      try body(rows(start..<min(start + Self.rowsAtOnce, digests.count)).bytes.floats)
    }
  }

  /// Writes all rows in codes beside the matrix: `embeddings` [n, row bytes], and `ranges` [2, width] where there are any.
  /// - Returns: bytes of the file.
  func write(_ codes: VectorCodes, to folder: URL) throws -> Int {
    let file = folder.appending(path: Self.codesFile)
    let width = codes.least.count
    let isSigned = codes.type == .int8 || codes.type == .binary
    let ranges = codes.type.isBinary ? [] : [("ranges", [2, width], codes.least + codes.largest)]
    let writer = try SafeTensorsMatrixWriter(
      "embeddings", [digests.count, codes.rowBytes], as: isSigned ? .i8 : .u8, beside: ranges, to: file)
    var row = 0
    try forEachBlock { values in
      for start in stride(from: 0, to: values.count, by: width) {
        try writer.write(Data(codes.bytes(values[start..<start + width])), row: row)
        row += 1
      }
    }
    try writer.close()
    return try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int ?? 0
  }
}

extension VectorCodes {
  /// Candidates in the order of the products of queries in floats with what passages' codes stand for.
  func rescored(
    _ candidates: [[BestPassages.Hit]], _ queries: Embeddings, _ passages: Embeddings, in order: TieOrder
  ) -> [[BestPassages.Hit]] {
    let (queries, passages, width) = (queries.array, passages.array, least.count)
    return candidates.enumerated().map { query, hits in
      hits.map { hit in
        let score = (0..<width).reduce(Float(0)) { sum, column in
          sum + queries[query * width + column] * decoded(passages[hit.passage * width + column], column)
        }
        return (hit.passage, score)
      }
      .sorted { order.ranks($0.passage, $0.score, before: $1.passage, $1.score) }
    }
  }
}
