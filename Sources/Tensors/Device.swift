/// What computes: the one protocol between models and the machine.
import Foundation

/// Lends memory and computes on tensors of it. Its calls are coarse, one for an operation's pass; the formulas stand
/// beside the tape's operations. A call may return before it is done; `read`, `isFinite` and `sumOfSquares` wait.
package protocol Device: AnyObject, Sendable {
  /// What decides the bits of its results.
  var numerics: NumericsProfile { get }
  /// What it has lent out.
  var meter: Meter { get }
  /// Bytes in use now, in the memory that its tensors lie in, by whatever else counts against a stage's share.
  var bytesBeside: Int { get throws }
  /// Threads of the host that work for it.
  var threads: Int { get }

  /// Calls `body` with a device that allocates as this one would and computes nothing: what it reads is anything.
  /// Tensors of this device may be used on it. Returns the most bytes that `body` had in use at once.
  func rehearse(_ body: (any Device) throws -> Void) rethrows -> Int

  // MARK: Memory

  /// Contents undefined.
  func allocate(bytes: Int) -> Memory
  func free(_ address: UInt, bytes: Int)
  /// Elements are widened or rounded where the types differ.
  func write(_ stored: StoredTensor, to x: Tensor)
  /// The elements as they lie, little-endian.
  func read(_ x: Tensor) -> Data
  func copy(_ x: Tensor, to: Tensor)
  func fill(_ x: Tensor, _ value: Float)
  /// The numbers in fp32.
  func decoded(_ x: CodedMatrix) -> Tensor
  /// Numbers in codes, the nearest level each; of 8 bits they are rounded to fp16 first, as bitsandbytes has it. Where a
  /// number is not finite, its block's magnitude is not.
  /// - Parameter block: of 8 bits the columns.
  func encoded(_ x: StoredTensor, as format: CodeFormat, block: Int) -> CodedMatrix

  // MARK: Elements and rows

  func isFinite(_ x: Tensor) -> Bool
  /// A copy in another type: f32 and bf16.
  func converted(_ x: Tensor, to dtype: DType) -> Tensor
  /// to += x
  func add(_ x: Tensor, to: Tensor)
  /// x + y
  func sum(_ x: Tensor, _ y: Tensor) -> Tensor
  func scaled(_ x: Tensor, by factor: Float) -> Tensor
  /// A copy of some columns.
  func columns(of x: Tensor, _ range: Range<Int>) -> Tensor
  /// to[:, column + i] += x[:, i]
  func addColumns(_ x: Tensor, to: Tensor, at column: Int)
  /// to[places[i]] = x[i]
  func copyRows(of x: Tensor, to: Tensor, at places: [Int])
  /// to[place + i] = x[rows][i]
  func copyRows(_ rows: Range<Int>, of x: Tensor, to: Tensor, at place: Int)
  /// Scales each row to length 1: x / max(‖x‖, floor).
  func normalizeRows(_ x: Tensor, floor: Double)
  /// x[rows]·yᵀ in fp32, on the calling thread: [rows, y.rows]. A product's bits depend on its two rows alone.
  func products(of x: Tensor, _ rows: Range<Int>, with y: SearchedRows) -> [Float]
  /// Some rows, laid out to take products with.
  func searched(_ x: Tensor, _ rows: Range<Int>) -> SearchedRows

  // MARK: Operations of a model, forward and backward

  func embed(_ tables: [EmbeddedTable]) -> Tensor
  /// table.gradient[row] += dy
  func addEmbeddingGradients(_ dy: Tensor, _ tables: [EmbeddedTable])

  func norm(_ x: Tensor, residual: Tensor?, _ pass: NormPass, keeps: Bool) -> (y: Tensor, kept: NormKept?)
  func normBackward(_ dy: Tensor, _ pass: NormPass, normalized: Tensor, inverse: Tensor) -> Tensor
  func addNormGradients(_ dy: Tensor, _ pass: NormPass, normalized: Tensor)

  /// With `keeps`, also the activation's derivative, unless it is the identity, and the adapter's inner product.
  func linear(_ x: Tensor, _ pass: LinearPass, keeps: Bool) -> (y: Tensor, derivative: Tensor?, low: Tensor?)
  /// dz, in the derivative's place if there is one; du; and dx, written or added to what is there.
  func linearBackward(
    _ dy: Tensor, _ pass: LinearPass, derivative: Tensor?, to dx: (target: Tensor, accumulate: Bool)?
  ) -> (dz: Tensor, du: Tensor?)
  func addLinearGradients(_ dz: Tensor, _ pass: LinearPass, x: Tensor?, low: Tensor?, du: Tensor?)
  /// W += s·B·A
  func merge(_ adapter: Adapter, into weight: Tensor)

  func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, keeps: Bool
  ) -> (out: Tensor, sums: Tensor?)
  func attentionBackward(
    _ gradient: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, out: Tensor, sums: Tensor
  ) -> (dq: Tensor, dk: Tensor, dv: Tensor, dbias: Tensor?)

  /// Bits for a mask, not drawn yet.
  func mask(_ rows: Int, _ columns: Int) -> Tensor
  func dropout(_ x: Tensor, _ mask: DropoutMask, draws: Bool) -> Tensor

  func gate(_ f: Activation, _ z: Tensor, _ u: Tensor) -> Tensor
  func gateBackward(_ f: Activation, _ dy: Tensor, _ z: Tensor, _ u: Tensor) -> (dz: Tensor, du: Tensor)
  func rotate(_ x: Tensor, _ rotation: Rotation, _ rows: Rows, backwards: Bool, rounds: Bool) -> Tensor

  /// `maxima`, where `max` is among the modes: the token that each maximum is of, the first of equal ones. [B, width], i32
  func pool(_ x: Tensor, _ modes: [PoolingMode], _ batch: PackedBatch) -> (y: Tensor, maxima: Tensor?)
  func poolBackward(_ dy: Tensor, _ modes: [PoolingMode], _ batch: PackedBatch, _ maxima: Tensor?) -> Tensor

  /// Some of a table's rows times hᵀ: [rows, n]. A product's bits are those of `linear` with such a row.
  func products(of table: Weight, _ rows: Range<Int>, with h: Weight) -> Tensor
  /// Takes a block's logits [block, n], those of the tokens from `first` on, into the running sums.
  func add(_ z: Tensor, from first: Int, to sums: VocabularySums)
  /// Puts the logits' gradients in their place: ds·([target] - exp(z - ln Σ)).
  func spread(_ z: Tensor, from first: Int, _ sums: VocabularySums, logSums: Tensor, _ ds: Tensor)

  // MARK: Training

  /// Σ over all elements of all tensors, in double.
  func sumOfSquares(_ tensors: [Tensor]) -> Double
  func adamW(_ weights: [AdamWMove], _ step: AdamWStep)

  // MARK: The host beside it

  /// Calls `body(piece)` once for every piece, on the host's threads, and returns when all are done.
  func onHost(_ pieces: Int, _ body: (_ piece: Int) -> Void)
}

extension Device {
  package var precision: Precision { numerics.precision }

  /// A tensor as it waits for the backward pass.
  package func kept(_ x: Tensor) -> Tensor { x.dtype == precision.kept ? x : converted(x, to: precision.kept) }

  package var bytesBeside: Int { 0 }

  package func onHost(_ pieces: Int, _ body: (_ piece: Int) -> Void) { for piece in 0..<pieces { body(piece) } }
}

/// Rows as a device has laid them out; only it knows how.
package protocol SearchedRows: AnyObject, Sendable {
  var count: Int { get }
}
