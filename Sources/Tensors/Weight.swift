/// A parameter of a model, under the name that its checkpoint gives it.
import Foundation

/// Where a weight's numbers are.
package enum Matrix {
  /// On the device, in fp32: a vector, a weight that trains, or a new one.
  case dense(Tensor)
  /// Where the checkpoint has them, in its type; products read a layout that is made of them row by row, and what looks
  /// rows up reads these alone.
  case stored(StoredTensor, any Device)
  /// On the device in codes: of a linear map's matrix that never trains.
  case coded(CodedMatrix)
  /// Nowhere: the weight is known by name and shape alone.
  case listed
}

package final class Weight {
  /// Name in the checkpoint, e.g. `encoder.layer.0.output.dense.weight`.
  package let name: String
  package let shape: [Int]
  /// Whether weight decay applies: biases and norms are left alone.
  package let decays: Bool
  package private(set) var matrix: Matrix
  /// Sum of the gradients since it was last zeroed; nil if frozen.
  package private(set) var gradient: Tensor?
  /// Counts changes of the numbers.
  package private(set) var version = 0
  /// What the device has made of the numbers, by what for; it holds their version against the weight's.
  package var layouts: [Layout: AnyObject] = [:]

  /// What a matrix W [out, in] is laid out for.
  package struct Layout: Hashable {
    package enum Product: Sendable {
      /// x·Wᵀ
      case forward
      /// dy·W
      case backward
    }
    package let product: Product
    package let precision: Precision

    package init(_ product: Product, _ precision: Precision) { (self.product, self.precision) = (product, precision) }
  }

  package convenience init(_ name: String, _ value: Tensor, decays: Bool) {
    self.init(name, .dense(value), value.shape, decays: decays)
  }

  package convenience init(_ name: String, stored: StoredTensor, on device: any Device, decays: Bool) {
    self.init(name, .stored(stored, device), stored.shape, decays: decays)
  }

  package convenience init(_ name: String, _ coded: CodedMatrix) {
    self.init(name, .coded(coded), coded.shape, decays: true)
  }

  package convenience init(listed name: String, _ shape: [Int]) {
    self.init(name, .listed, shape, decays: false)
  }

  private init(_ name: String, _ matrix: Matrix, _ shape: [Int], decays: Bool) {
    (self.name, self.matrix, self.shape, self.decays) = (name, matrix, shape, decays)
  }

  package var device: any Device {
    switch matrix {
    case .dense(let value): value.device
    case .stored(_, let device): device
    case .coded(let coded): coded.device
    case .listed: preconditionFailure("\(name) is listed alone")
    }
  }

  package var isTrainable: Bool { gradient != nil }
  /// Whether its numbers are codes, which do not train.
  package var isCoded: Bool {
    if case .coded = matrix { true } else { false }
  }
  /// Outputs of a linear map's matrix, rows of a table.
  package var rows: Int { shape.dropLast().reduce(1, *) }
  package var columns: Int { shape.last ?? 1 }
  package var count: Int { shape.reduce(1, *) }

  /// The type of the numbers where they are; codes are decoded to fp32.
  package var dtype: DType {
    switch matrix {
    case .dense(let value): value.dtype
    case .stored(let stored, _): stored.dtype
    case .coded: .f32
    case .listed: preconditionFailure("\(name) is listed alone")
    }
  }

  /// The numbers of a weight that is no stored matrix. Who writes to it calls `changed()`.
  package var value: Tensor {
    guard case .dense(let value) = matrix else { preconditionFailure("\(name) is not on a device") }
    return value
  }

  /// The numbers in fp32, on the device: the value itself, or a copy.
  package var fp32: Tensor {
    switch matrix {
    case .dense(let value): value.dtype == .f32 ? value : device.converted(value, to: .f32)
    case .stored(let stored, let device): device.tensor(stored, as: .f32)
    case .coded(let coded): coded.device.decoded(coded)
    case .listed: preconditionFailure("\(name) is listed alone")
    }
  }

  /// The numbers in fp32 for the host, as they lie: not copied where they are so already.
  package var fp32Bytes: Data {
    if case .stored(let stored, _) = matrix, stored.dtype == .f32 { return stored.bytes }
    return fp32.bytes
  }

  package func freeze() { gradient = nil }

  /// Gives the weight a gradient of zeros, and numbers in fp32 that may change.
  package func train() {
    makeChangeable()
    gradient = device.zeros(shape)
  }

  /// The numbers are others now.
  package func changed() { version += 1 }

  /// W += s·B·A
  package func merge(_ adapter: Adapter) {
    makeChangeable()
    device.merge(adapter, into: value)
    changed()
  }

  private func makeChangeable() { matrix = .dense(fp32) }
}

/// A low-rank adapter on a linear layer (Hu et al. 2021). Its products are fp32 always.
package final class Adapter {
  package let down: Weight  // A [r, in]
  package let up: Weight  // B [out, r]
  /// The factor s.
  package let scale: Float
  /// Probability that an element of the adapter's input is zeroed in training.
  package let dropout: Double

  package init(down: Weight, up: Weight, scale: Float, dropout: Double) {
    (self.down, self.up, self.scale, self.dropout) = (down, up, scale, dropout)
  }

  /// r
  package var rank: Int { down.rows }
}
