/// For each sequence and head: out = dropout(softmax(q·kᵀ/√d))·v (Vaswani et al. 2017), in blocks with online softmax;
/// backward recomputes the probabilities from their logarithmic sums (Dao et al. 2023), so memory is linear in T.
/// Consecutive heads of queries may share one of keys and values (Ainslie et al. 2023).
/// q, out [T, heads·d], or of each sequence's first token alone [B, heads·d]; k, v [T, keyValueHeads·d]; logarithmic
/// sums [T or B, heads].
import CKernels

extension Tape {
  /// `keyValueHeads`, all `heads` unless given, divide `heads`. If `causal`, a token sees itself and earlier ones only.
  /// With `first`, q has a row for each sequence: its first token's.
  package func attention(
    _ q: Variable, _ k: Variable, _ v: Variable, heads: Int, keyValueHeads: Int? = nil, causal: Bool = false,
    first: Bool = false, batch: PackedBatch, dropout p: Double = 0
  ) -> Variable {
    let keyValueHeads = keyValueHeads ?? heads
    precondition(
      q.value.columns % heads == 0 && heads % keyValueHeads == 0 && k.value.shape == v.value.shape
        && k.value.columns * heads == q.value.columns * keyValueHeads
        && q.value.rows == (first ? batch.count : batch.tokens) && k.value.rows == batch.tokens,
      "attention of \(heads) heads in \(q.value.shape) to \(keyValueHeads) in \(k.value.shape) and \(v.value.shape)")
    let (engine, kept, below) = (engine, [q, k, v].map(\.kept), [q, k, v].map(\.gradient))
    let dropout = Dropout(p, tape: self, sites: heads)
    func pass(_ x: [Tensor]) -> AttentionPass {
      AttentionPass(
        engine: engine, batch: batch, heads: heads, keyValueHeads: keyValueHeads, causal: causal, first: first,
        q: x[0], k: x[1], v: x[2], dropout: dropout)
    }
    let needed = isRecording && below.contains { $0 != nil }
    // q·kᵀ and p·v; backward q·kᵀ again, dout·vᵀ and three products for dq, dk and dv.
    let pairs = batch.tokens(of: 0..<batch.count).reduce(0) { pairs, length in
      let queries = first ? 1 : length
      return pairs + (causal ? queries * (queries + 1) / 2 : queries * length)
    }
    let product = 2 * q.value.columns * pairs
    let (out, sums) = Profile.measure(.attentionForward, flops: 2 * product) {
      guard needed else { return pass([q, k, v].map(\.value)).forward(keeps: false) }
      // What is kept decides the result: backward recomputes forward's probabilities from it.
      for x in [q, k, v] { x.kept.hold(x.value, on: engine) }
      return pass(kept.map { $0.value(on: engine).tensor }).forward(keeps: true)
    }
    guard let sums else { return Variable(value: out, gradient: nil) }
    let result = Kept(out, on: engine)
    return record(out, needed: needed, as: .attentionBackward, flops: 5 * product, kept: result) { gradient in
      let inputs = kept.map { $0.value(on: engine).tensor }
      let (dq, dk, dv) = pass(inputs).backward(result.value(on: engine).tensor, sums, gradient)
      for (gradient, arrived) in zip(below, [dq, dk, dv]) { gradient?.add(arrived, on: engine) }
    }
  }
}

private struct AttentionPass {
  let engine: Engine
  let batch: PackedBatch
  let heads, keyValueHeads: Int
  let causal, first: Bool
  let q, k, v: Tensor
  let dropout: Dropout?

  private var width: Int { q.columns / heads }
  private var group: Int { heads / keyValueHeads }

  func forward(keeps: Bool) -> (out: Tensor, sums: Tensor?) {
    let out = engine.matrix(q.rows, q.columns)
    let sums = keeps ? engine.uninitialized([q.rows, heads]) : nil
    parallel(heads) { sequence, head, scratch in
      withHead(sequence, head) { place, parameters in
        Kernels.active.table.pointee.attention(
          parameters, out.floats + place.query, sums.map { $0.floats + place.sum }, heads, scratch)
      }
    }
    return (out, sums)
  }

  func backward(_ out: Tensor, _ sums: Tensor, _ gradient: Tensor) -> (dq: Tensor, dk: Tensor, dv: Tensor) {
    let dq = engine.matrix(q.rows, q.columns)
    let (dk, dv) = (engine.matrix(k.rows, k.columns), engine.matrix(k.rows, k.columns))
    // Heads that share keys add to the same gradients, one after another.
    parallel(keyValueHeads) { sequence, shared, scratch in
      for member in 0..<group {
        withHead(sequence, shared * group + member) { place, parameters in
          Kernels.active.table.pointee.attention_backward(
            parameters, out.floats + place.query, sums.floats + place.sum, heads, gradient.floats + place.query,
            dq.floats + place.query, dk.floats + place.key, dv.floats + place.key, member > 0 ? 1 : 0, scratch)
        }
      }
    }
    return (dq, dk, dv)
  }

  /// Calls `body` for `heads` heads of every sequence, with scratch of its own for a head's attention.
  private func parallel(
    _ heads: Int, _ body: (_ sequence: Int, _ head: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void
  ) {
    let scratchSize = Engine.attentionScratch(tokens: batch.longest, width: width)
    let scratch = engine.uninitialized([engine.threads, scratchSize])
    engine.parallel(batch.count * heads) { piece, worker in
      body(piece / heads, piece % heads, scratch.floats + worker * scratchSize)
    }
  }

  /// Where a head's first token lies: in a matrix like q, in one like k, and among the logarithmic sums.
  private typealias Place = (query: Int, key: Int, sum: Int)

  private func withHead(_ sequence: Int, _ index: Int, _ body: (Place, UnsafePointer<retort_head>) -> Void) {
    let token = batch.offsets[sequence]
    let (row, length) = (first ? sequence : token, batch.offsets[sequence + 1] - token)
    let place = (
      query: row * q.columns + index * width, key: token * k.columns + index / group * width, sum: row * heads + index
    )
    var dropout = dropout?.parameters ?? retort_dropout()
    dropout.site += UInt32(index)
    withUnsafePointer(to: dropout) { dropout in
      var head = retort_head(
        q: q.floats + place.query, k: k.floats + place.key, v: v.floats + place.key,
        queries: first ? 1 : length, length: length, width: width, stride: q.columns, kv_stride: k.columns,
        causal: causal ? 1 : 0, scale: 1 / Float(width).squareRoot(), sequence: batch.sequenceKeys[sequence],
        dropout: self.dropout == nil ? nil : dropout)
      body(place, &head)
    }
  }
}
