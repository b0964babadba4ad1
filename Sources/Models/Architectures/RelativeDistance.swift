/// Distances of keys from queries in buckets, near ones alone and far ones by their logarithm (Raffel et al. 2020).
import Foundation
import Tensors

enum RelativeDistance {
  /// From here on all distances are one.
  private static let farthest = 128.0

  /// The bucket of each distance from -(L - 1) to L - 1, L tokens being the longest sequence, for each chunk.
  static func buckets(_ batch: PackedBatch, _ count: Int) -> [Int32] {
    let buckets = (1 - batch.longest..<batch.longest).map { bucket($0, count) }
    return batch.chunks.flatMap { _ in buckets }
  }

  /// - Parameter distance: of a key behind its query; those after it have the second half of the buckets.
  static func bucket(_ distance: Int, _ count: Int) -> Int32 {
    let (half, exact, away) = (count / 2, count / 4, abs(distance))
    let side = distance > 0 ? half : 0
    guard away >= exact else { return Int32(side + away) }
    // In fp32, whose rounding decides where a bucket ends.
    let share = log(Float(away) / Float(exact)) / Float(log(farthest / Double(exact)))
    return Int32(side + min(half - 1, exact + Int(share * Float(half - exact))))
  }
}
