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
  private let product: Weight.Layout.Product
  private let strips: Tensor
  /// Of the weight that it was made of.
  private var version = 0

  /// For W [out, in].
  init(_ rows: Int, _ columns: Int, for layout: Weight.Layout, on cpu: CPU) {
    multiplier = cpu.kernels.multiplier(layout.precision)
    product = layout.product
    (depth, self.columns) = product == .forward ? (columns, rows) : (rows, columns)
    strips = cpu.uninitialized([multiplier.packed_bytes(depth, self.columns)], .u8)
  }

  var packed: retort_packed { retort_packed(strips: strips.elements(UInt8.self), depth: depth, columns: columns) }

  /// Lays W [out, in], row-major, out.
  func pack(_ w: UnsafePointer<Float>, on cpu: CPU) {
    let (depthStep, columnStep) = product == .forward ? (1, depth) : (columns, 1)
    func pack(_ start: Int, _ count: Int) {
      multiplier.pack(w, depth, columns, depthStep, columnStep, strips.elements(UInt8.self), start, start + count)
    }
    // Small ones, such as adapters' factors, are done before another thread is awake.
    if depth * columns > 1 << 16 { cpu.blocks(of: columns, size: 64, pack) } else { cpu.alone { pack(0, columns) } }
  }

  fileprivate func follow(_ weight: Weight, on cpu: CPU) {
    guard version != weight.version + 1 else { return }
    version = weight.version + 1
    pack(weight.fp32.floats, on: cpu)
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
    let layout = Weight.Layout(product, precision)
    func made() -> PackedWeight { PackedWeight(weight.rows, weight.columns, for: layout, on: self) }
    if let known = weight.layouts[layout] as? PackedWeight {
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
