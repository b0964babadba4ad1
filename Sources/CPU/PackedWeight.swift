/// Matrices laid out for multiplication from the left.
import CKernels
import Synchronization
import Tensors

/// A matrix [depth, columns] in the layout that one class of kernels reads; opaque, and without a way back. Of codes that
/// products decode themselves it is nothing but where these lie.
/// `@unchecked`: it is written before products that read it begin.
final class PackedWeight: @unchecked Sendable {
  let depth: Int
  let columns: Int
  let multiplier: retort_multiplier
  /// The type of the matrix that is laid out.
  let type: retort_type
  private let product: Weight.Layout.Product
  private let strips: Tensor?
  private var codes: KernelCodes?
  /// Which of the weight's numbers are laid out; absent: none.
  private var version: Int?

  /// For W [out, in].
  init(_ rows: Int, _ columns: Int, of type: retort_type, for layout: Weight.Layout, on cpu: CPU) {
    multiplier = cpu.kernels.multiplier(layout.precision)
    (self.type, product) = (type, layout.product)
    (depth, self.columns) = product == .forward ? (columns, rows) : (rows, columns)
    let bytes = multiplier.packed_bytes(depth, self.columns, type)
    strips = bytes == 0 ? nil : cpu.uninitialized([bytes], .u8)
  }

  var packed: retort_packed {
    let values = strips.map { UnsafeRawPointer($0.elements(UInt8.self)) } ?? codes.map { UnsafeRawPointer($0.place) }
    return retort_packed(
      strips: values, type: type, depth: depth, columns: columns, depth_step: steps.depth, column_step: steps.column)
  }

  /// Distance of neighbours of W [out, in], row-major, along the depth and from column to column.
  private var steps: (depth: Int, column: Int) { product == .forward ? (1, depth) : (columns, 1) }

  /// Lays W [out, in], row-major, out.
  func pack(_ w: UnsafeRawPointer, on cpu: CPU) {
    guard let strips = strips?.elements(UInt8.self) else { return }
    var matrix = retort_matrix(
      values: w, type: type, depth: depth, columns: columns, depth_step: steps.depth, column_step: steps.column)
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
    case .coded(let coded):
      let found = KernelCodes(coded)
      codes = found
      pack(UnsafeRawPointer(found.place), on: cpu)
    case .listed: preconditionFailure("\(weight.name) is listed alone")
    }
  }
}

/// Codes as kernels read them.
private final class KernelCodes {
  // Keeps the memory that `place` points to.
  private let matrix: CodedMatrix
  let place: UnsafeMutablePointer<retort_coded>

  init(_ matrix: CodedMatrix) {
    self.matrix = matrix
    place = .allocate(capacity: 1)
    place.initialize(to: matrix.kernel)
  }

  deinit { place.deallocate() }
}

extension CodedMatrix {
  fileprivate var kernel: retort_coded {
    retort_coded(
      codes: codes.elements(UInt8.self), absmax: absmax.floats, levels: format == .int8 ? nil : levels.floats,
      block_bits: UInt32(block.trailingZeroBitCount), row: block)
  }
}

extension CPU {
  /// Numbers of a block that a thread decodes or encodes: whole blocks of every size.
  private static let codesAtOnce = 1 << 16

  package func decoded(_ x: CodedMatrix) -> Tensor {
    let y = uninitialized(x.shape)
    blocks(of: x.count, size: Self.codesAtOnce) { start, count in
      withUnsafePointer(to: x.kernel) { table.decode($0, start, start + count, y.floats + start) }
    }
    return y
  }

  package func encoded(_ x: StoredTensor, as format: CodeFormat, block: Int) -> CodedMatrix {
    let count = x.shape.reduce(1, *)
    let (bytes, blocks) = CodedMatrix.sizes(x.shape, format, block: block)
    let y = CodedMatrix(
      x.shape, format, block: block, codes: uninitialized([bytes], .u8), absmax: uninitialized([blocks]))
    let (codes, absmax) = (y.codes.elements(UInt8.self), y.absmax.floats)
    let atOnce = format == .int8 ? block : Self.codesAtOnce
    let scratch = scratch(atOnce)
    x.bytes.withUnsafeBytes { bytes in
      guard let source = bytes.baseAddress else { return }
      self.blocks(of: count, size: atOnce) { start, count, worker in
        let floats = scratch.of(worker)
        table.widen(source + start * x.dtype.bytes, x.dtype.stored, floats, count)
        if format == .int8 {
          let row = UnsafeMutableRawPointer(codes + start).assumingMemoryBound(to: Int8.self)
          absmax[start / block] = table.encode_row(floats, count, row)
        } else {
          table.encode(
            floats, count, y.levels.floats, UInt32(block.trailingZeroBitCount), codes + start / 2,
            absmax + start / block)
        }
      }
    }
    x.releasePages()
    return y
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
    let type = weight.isCoded ? RETORT_CODED : weight.dtype.stored
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
