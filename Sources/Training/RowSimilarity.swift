/// Similarity of rows of a matrix, and its gradient for the rows as they were before normalising.
import Foundation
import Models

/// cos(a, b) = uₐ·u_b with u = e / max(‖e‖, 10⁻¹²), as torch's `normalize` has it; or the product eₐ·e_b as it is.
struct RowSimilarity {
  private let width: Int
  private let units: [Double]  // [n, width], rows of length 1, or as they are
  private let norms: [Double]  // [n]; empty where rows are as they are
  private var unitGradient: [Double]  // [n, width]

  /// - Parameter embeddings: [n, width], of any length.
  init(_ similarity: Similarity = .cosine, embeddings: [Double], width: Int) {
    precondition(width > 0 && embeddings.count % width == 0, "rows of `width` numbers")
    self.width = width
    var units = embeddings
    norms =
      similarity == .dot
      ? []
      : stride(from: 0, to: embeddings.count, by: width).map { start in
        let row = start..<start + width
        let norm = max(embeddings[row].reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
        for index in row { units[index] /= norm }
        return norm
      }
    self.units = units
    unitGradient = [Double](repeating: 0, count: embeddings.count)
  }

  /// A cosine is in −1…1 up to rounding.
  func between(_ left: Int, _ right: Int) -> Double {
    units.withUnsafeBufferPointer { units in
      let a = UnsafeBufferPointer(rebasing: units[left * width..<(left + 1) * width])
      let b = UnsafeBufferPointer(rebasing: units[right * width..<(right + 1) * width])
      var sum = 0.0
      for index in 0..<width { sum += a[index] * b[index] }
      return sum
    }
  }

  /// Takes dL/ds of one pair into account.
  mutating func addGradient(_ gradient: Double, between left: Int, and right: Int) {
    guard gradient != 0 else { return }
    let width = width
    units.withUnsafeBufferPointer { units in
      unitGradient.withUnsafeMutableBufferPointer { sink in
        for index in 0..<width {
          sink[left * width + index] += gradient * units[right * width + index]
          sink[right * width + index] += gradient * units[left * width + index]
        }
      }
    }
  }

  /// dL/de, [n, width], from what `addGradient` has summed: of cosines (g − (g·u)u) / ‖e‖.
  func gradient() -> [Double] {
    var gradient = unitGradient
    gradient.withUnsafeMutableBufferPointer { gradient in
      units.withUnsafeBufferPointer { units in
        for (row, norm) in norms.enumerated() {
          let range = row * width..<(row + 1) * width
          // A row shorter than the bound was only scaled, not normalised.
          let along = norm > 1e-12 ? range.reduce(0.0) { $0 + gradient[$1] * units[$1] } : 0
          for index in range { gradient[index] = (gradient[index] - along * units[index]) / norm }
        }
      }
    }
    return gradient
  }
}
