/// Attention, head by head.
import CKernels
import Tensors

extension CPU {
  package func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, keeps: Bool
  ) -> (out: Tensor, sums: Tensor?) {
    let heads = Heads(q: q, k: k, v: v, pass: pass)
    let out = matrix(q.rows, q.columns)
    let sums = keeps ? matrix(q.rows, pass.heads) : nil
    parallel(heads, pass.heads) { sequence, head, scratch in
      heads.with(sequence, head) { place, parameters in
        table.attention(
          parameters, out.floats + place.query, sums.map { $0.floats + place.sum }, pass.heads, scratch)
      }
    }
    return (out, sums)
  }

  package func attentionBackward(
    _ gradient: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, out: Tensor, sums: Tensor
  ) -> (dq: Tensor, dk: Tensor, dv: Tensor) {
    let heads = Heads(q: q, k: k, v: v, pass: pass)
    let dq = matrix(q.rows, q.columns)
    let (dk, dv) = (matrix(k.rows, k.columns), matrix(k.rows, k.columns))
    // Heads that share keys add to the same gradients, one after another.
    parallel(heads, pass.keyValueHeads) { sequence, shared, scratch in
      for member in 0..<heads.group {
        heads.with(sequence, shared * heads.group + member) { place, parameters in
          table.attention_backward(
            parameters, out.floats + place.query, sums.floats + place.sum, pass.heads, gradient.floats + place.query,
            dq.floats + place.query, dk.floats + place.key, dv.floats + place.key, member > 0 ? 1 : 0, scratch)
        }
      }
    }
    return (dq, dk, dv)
  }

  /// Calls `body` for `count` heads of every sequence, with scratch of its own for a head's attention.
  private func parallel(
    _ heads: Heads, _ count: Int,
    _ body: (_ sequence: Int, _ head: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void
  ) {
    let batch = heads.pass.batch
    let scratch = scratch(retort_attention_scratch(batch.longest, heads.width))
    parallel(batch.count * count) { piece, worker in body(piece / count, piece % count, scratch.of(worker)) }
  }
}

private struct Heads {
  let q, k, v: Tensor
  let pass: AttentionPass

  var width: Int { q.columns / pass.heads }
  /// Heads of queries that share one of keys and values.
  var group: Int { pass.heads / pass.keyValueHeads }

  /// Where a head's first token lies: in a matrix like q, in one like k, and among the logarithmic sums.
  typealias Place = (query: Int, key: Int, sum: Int)

  func with(_ sequence: Int, _ index: Int, _ body: (Place, UnsafePointer<retort_head>) -> Void) {
    let batch = pass.batch
    let token = batch.offsets[sequence]
    let (row, length) = (pass.first ? sequence : token, batch.offsets[sequence + 1] - token)
    let place = (
      query: row * q.columns + index * width, key: token * k.columns + index / group * width,
      sum: row * pass.heads + index
    )
    let dropout = pass.dropout?.head(index).parameters ?? retort_dropout()
    withUnsafePointer(to: dropout) { dropout in
      var head = retort_head(
        q: q.floats + place.query, k: k.floats + place.key, v: v.floats + place.key,
        queries: pass.first ? 1 : length, length: length, width: width, stride: q.columns, kv_stride: k.columns,
        causal: pass.causal ? 1 : 0, scale: 1 / Float(width).squareRoot(), sequence: batch.sequenceKeys[sequence],
        dropout: pass.dropout == nil ? nil : dropout)
      body(place, &head)
    }
  }
}
