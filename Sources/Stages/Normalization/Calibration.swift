/// Reads back what `normalize` found: how a model's scores become probabilities, and from which one on to believe them.
import Basics
import Foundation
import JSONText

struct Calibration {
  let threshold: Double
  private let map: Normalization
  private static let mostBytes = 1 << 20

  /// Throws a `DataError` if it is no file of the port `results` of `normalize`.
  init(contentsOf file: URL) throws {
    let data: Data
    do throws(ForeignFile.Refusal) {
      data = try ForeignFile.contents(of: file, atMost: Self.mostBytes)
    } catch { throw DataError(file, error.description) }
    let results = try data.withUnsafeBytes { bytes in
      do throws(JSONError) {
        var reader = JSONReader(bytes)
        return try reader.onlyValue()
      } catch {
        let (line, column) = error.place(in: bytes)
        throw DataError(file, line: line, column: column, error.description)
      }
    }
    func number(_ name: String, in object: JSONValue?) throws -> Double {
      guard let value = object?[name]?.double else {
        throw DataError(file, "no number `\(name)`; expected the results of `normalize`")
      }
      return value
    }
    let constants = results["constants"]
    map =
      switch results["method"]?.string.flatMap(Normalize.Method.init) {
      case .shift: .shift
      case .minmax: .minmax(min: try number("min", in: constants), max: try number("max", in: constants))
      case .zscore: .zscore(mean: try number("mean", in: constants), deviation: try number("std", in: constants))
      case .calibrated: .calibrated(a: try number("a", in: constants), b: try number("b", in: constants))
      case nil: throw DataError(file, "its `method` is none of `normalize`; expected the results of that stage")
      }
    threshold = try number("threshold", in: results)
  }

  func probability(of score: Float) -> Double { map(Double(score)) }
  func isSure(of score: Float) -> Bool { probability(of: score) >= threshold }
}
