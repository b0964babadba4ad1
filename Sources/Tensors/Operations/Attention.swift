/// For each sequence and head: out = dropout(softmax(q·kᵀ/√d))·v (Vaswani et al. 2017), in blocks with online softmax;
/// backward recomputes the probabilities from their logarithmic sums (Dao et al. 2023), so memory is linear in T.
/// q, k, v, out [T, heads·d]; logarithmic sums [T, heads].
import CKernels

extension Tape {
  package func attention(
    _ q: Variable, _ k: Variable, _ v: Variable, heads: Int, batch: PackedBatch, dropout p: Double = 0
  ) -> Variable {
    let (engine, kept, below) = (engine, [q, k, v].map(\.kept), [q, k, v].map(\.gradient))
    let dropout = Dropout(p, tape: self, sites: heads)
    func pass(_ x: [Tensor]) -> AttentionPass {
      AttentionPass(engine: engine, batch: batch, heads: heads, q: x[0], k: x[1], v: x[2], dropout: dropout)
    }
    let needed = isRecording && below.contains { $0 != nil }
    // q·kᵀ and p·v; backward q·kᵀ again, dout·vᵀ and three products for dq, dk and dv.
    let product = 2 * q.value.columns * batch.tokens(of: 0..<batch.count).reduce(0) { $0 + $1 * $1 }
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
  let heads: Int
  let q, k, v: Tensor
  let dropout: Dropout?

  private var columns: Int { q.columns }
  private var width: Int { columns / heads }

  func forward(keeps: Bool) -> (out: Tensor, sums: Tensor?) {
    let out = engine.matrix(q.rows, columns)
    let sums = keeps ? engine.uninitialized([q.rows, heads]) : nil
    eachHead { head, element, row, scratch in
      Kernels.active.table.pointee.attention(head, out.floats + element, sums.map { $0.floats + row }, heads, scratch)
    }
    return (out, sums)
  }

  func backward(_ out: Tensor, _ sums: Tensor, _ gradient: Tensor) -> (dq: Tensor, dk: Tensor, dv: Tensor) {
    let (dq, dk, dv) = (
      engine.matrix(q.rows, columns), engine.matrix(q.rows, columns), engine.matrix(q.rows, columns)
    )
    eachHead { head, element, row, scratch in
      Kernels.active.table.pointee.attention_backward(
        head, out.floats + element, sums.floats + row, heads, gradient.floats + element, dq.floats + element,
        dk.floats + element, dv.floats + element, scratch)
    }
    return (dq, dk, dv)
  }

  /// `element` is where the head's first token lies in a [T, columns] matrix, `row` in a [T, heads] one.
  private func eachHead(
    _ body: (
      _ head: UnsafePointer<retort_head>, _ element: Int, _ row: Int, _ scratch: UnsafeMutablePointer<Float>
    ) -> Void
  ) {
    let scratchSize = retort_attention_scratch(batch.longest, width)
    let scratch = engine.uninitialized([engine.threads, scratchSize])
    engine.parallel(batch.count * heads) { piece, worker in
      let (sequence, index) = (piece / heads, piece % heads)
      let first = batch.offsets[sequence]
      let element = first * columns + index * width
      var dropout = dropout?.parameters ?? retort_dropout()
      dropout.site += UInt32(index)
      withUnsafePointer(to: dropout) { dropout in
        var head = retort_head(
          q: q.floats + element, k: k.floats + element, v: v.floats + element,
          length: batch.offsets[sequence + 1] - first, width: width, stride: columns,
          scale: 1 / Float(width).squareRoot(), sequence: batch.sequenceKeys[sequence],
          dropout: self.dropout == nil ? nil : dropout)
        body(&head, element, first * heads + index, scratch.floats + worker * scratchSize)
      }
    }
  }
}
