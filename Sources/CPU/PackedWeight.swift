/// Matrices laid out for multiplication from the left.
import CKernels
import Synchronization
import Tensors

/// A matrix [depth, columns] in the layout that one class of kernels reads; opaque, and without a way back.
/// `@unchecked`: it is written before products that read it begin.
final class PackedWeight: @unchecked Sendable {
  let depth: Int
  let columns: Int
  let multiplier: retort_multiplier
  /// The type of the matrix that is laid out.
  let type: retort_type
  private let product: Weight.Layout.Product
  private let strips: Tensor
  /// Which of the weight's numbers are laid out; absent: none.
  private var version: Int?

  /// For W [out, in].
  init(_ rows: Int, _ columns: Int, of type: retort_type, for layout: Weight.Layout, on cpu: CPU) {
    multiplier = cpu.kernels.multiplier(layout.precision)
    (self.type, product) = (type, layout.product)
    (depth, self.columns) = product == .forward ? (columns, rows) : (rows, columns)
    strips = cpu.uninitialized([multiplier.packed_bytes(depth, self.columns, type)], .u8)
  }

  var packed: retort_packed {
    retort_packed(strips: strips.elements(UInt8.self), type: type, depth: depth, columns: columns)
  }

  /// Lays W [out, in], row-major, out.
  func pack(_ w: UnsafeRawPointer, on cpu: CPU) {
    let (depthStep, columnStep) = product == .forward ? (1, depth) : (columns, 1)
    var matrix = retort_matrix(
      values: w, type: type, depth: depth, columns: columns, depth_step: depthStep, column_step: columnStep)
    let strips = strips.elements(UInt8.self)
    withUnsafePointer(to: &matrix) { matrix in
      func pack(_ start: Int, _ count: Int) { multiplier.pack(matrix, strips, start, start + count) }
      // Small ones, such as adapters' factors, are done before another thread is awake.
      if depth * columns > 1 << 16 {
        cpu.blocks(of: columns, size: max(64, multiplier.strip), pack)
      } else {
        cpu.alone { pack(0, columns) }
      }
    }
  }

  /// Lays the weight's numbers out where they lie, unless these are what is laid out.
  fileprivate func follow(_ weight: Weight, on cpu: CPU) {
    guard version != weight.version else { return }
    version = weight.version
    switch weight.matrix {
    case .dense(let value): pack(value.elements(UInt8.self), on: cpu)
    case .stored(let stored, _):
      stored.bytes.withUnsafeBytes { if let start = $0.baseAddress { pack(start, on: cpu) } }
      stored.releasePages()
    case .listed: preconditionFailure("\(weight.name) is listed alone")
    }
  }
}

/// A layout that a rehearsal has made.
struct RehearsedLayout: Hashable {
  let weight: ObjectIdentifier
  let layout: Weight.Layout
}

extension CPU {
  /// The matrix as products want it, kept with the weight and made anew when its numbers have changed.
  func layout(_ weight: Weight, for product: Weight.Layout.Product, in precision: Precision) -> PackedWeight {
    let (layout, type) = (Weight.Layout(product, precision), weight.dtype.stored)
    func made() -> PackedWeight { PackedWeight(weight.rows, weight.columns, of: type, for: layout, on: self) }
    if let known = weight.layouts[layout] as? PackedWeight, known.type == type {
      if weight.device === self { known.follow(weight, on: self) }
      return known
    }
    guard weight.device === self else {
      return rehearsed.withLock { layouts in
        let name = RehearsedLayout(weight: ObjectIdentifier(weight), layout: layout)
        let found = layouts[name] ?? made()
        layouts[name] = found
        return found
      }
    }
    let packed = made()
    weight.layouts[layout] = packed
    packed.follow(weight, on: self)
    return packed
  }
}
