/// Attention, head by head.
import CKernels
import Tensors

extension CPU {
  package func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, keeps: Bool
  ) -> (out: Tensor, sums: Tensor?) {
    let heads = Heads(q: q, k: k, v: v, pass: pass, bias: biasByHead(pass))
    let out = matrix(q.rows, q.columns)
    let sums = keeps ? matrix(q.rows, pass.heads) : nil
    // Heads that share keys follow each other, so that these are laid out once, unless threads would have nothing to do.
    let pieces = pass.batch.count * pass.keyValueHeads < 4 * threads ? pass.heads : pass.keyValueHeads
    parallel(heads, pieces) { sequence, piece, scratch in
      for member in 0..<pass.heads / pieces {
        heads.with(
          sequence, piece * (pass.heads / pieces) + member, again: member > 0, beside: scratch + heads.kernelScratch
        ) { place, parameters in
          table.attention(
            parameters, out.floats + place.query, sums.map { $0.floats + place.sum }, pass.heads, scratch)
        }
      }
    }
    return (out, sums)
  }

  package func attentionBackward(
    _ gradient: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, out: Tensor, sums: Tensor
  ) -> (dq: Tensor, dk: Tensor, dv: Tensor, dbias: Tensor?) {
    let slopes = pass.trainsBias ? zeros([pass.batch.count * pass.heads, pass.distances]) : nil
    let heads = Heads(q: q, k: k, v: v, pass: pass, bias: biasByHead(pass), biasGradients: slopes)
    let dq = matrix(q.rows, q.columns)
    let (dk, dv) = (matrix(k.rows, k.columns), matrix(k.rows, k.columns))
    // Heads that share keys add to the same gradients, one after another.
    parallel(heads, pass.keyValueHeads) { sequence, shared, scratch in
      for member in 0..<heads.group {
        heads.with(sequence, shared * heads.group + member, again: member > 0) { place, parameters in
          table.attention_backward(
            parameters, out.floats + place.query, sums.floats + place.sum, pass.heads, gradient.floats + place.query,
            dq.floats + place.query, dk.floats + place.key, dv.floats + place.key, member > 0 ? 1 : 0, scratch)
        }
      }
    }
    return (dq, dk, dv, slopes.map { sumByChunk($0, pass) })
  }

  /// The bias as the kernels read it, the distances of a head side by side: [heads, 2L - 1].
  private func biasByHead(_ pass: AttentionPass) -> Tensor? {
    guard let bias = pass.bias else { return nil }
    let turned = matrix(pass.heads, pass.distances)
    parallel(pass.heads) { head, _ in
      let (from, to) = (bias.floats, turned.floats + head * pass.distances)
      for distance in 0..<pass.distances { to[distance] = from[distance * pass.heads + head] }
    }
    return turned
  }

  /// From gradients [B·heads, 2L - 1], those of the bias as it is given, sequences added in their order.
  private func sumByChunk(_ gradients: Tensor, _ pass: AttentionPass) -> Tensor {
    let (heads, distances) = (pass.heads, pass.distances)
    let sums = zeros([pass.batch.chunks.count * distances, heads])
    parallel(heads) { head, _ in
      let (from, to) = (gradients.floats, sums.floats)
      for (chunk, sequences) in pass.batch.chunks.enumerated() {
        for sequence in sequences {
          let row = from + (sequence * heads + head) * distances
          for distance in 0..<distances { to[(chunk * distances + distance) * heads + head] += row[distance] }
        }
      }
    }
    return sums
  }

  /// Calls `body` for `count` heads of every sequence, with scratch of its own for a head's attention.
  private func parallel(
    _ heads: Heads, _ count: Int,
    _ body: (_ sequence: Int, _ head: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void
  ) {
    let batch = heads.pass.batch
    let scratch = scratch(heads.kernelScratch + (heads.pass.past == nil ? 0 : 2 * batch.longest * heads.width))
    parallel(batch.count * count) { piece, worker in body(piece / count, piece % count, scratch.of(worker)) }
  }
}

private struct Heads {
  let q, k, v: Tensor
  let pass: AttentionPass
  let bias: Tensor?  // [heads, 2L - 1]
  var biasGradients: Tensor?  // [B·heads, 2L - 1]

  var width: Int { q.columns / pass.heads }
  /// Floats that a head's attention needs.
  var kernelScratch: Int { retort_attention_scratch(pass.batch.longest, width) }
  /// Heads of queries that share one of keys and values.
  var group: Int { pass.heads / pass.keyValueHeads }

  /// Where a head's first token lies: in a matrix like q, in one like k, and among the logarithmic sums.
  typealias Place = (query: Int, key: Int, sum: Int)

  /// - Parameter spare: room for the keys and values of a sequence with a past.
  func with(
    _ sequence: Int, _ index: Int, again: Bool, beside spare: UnsafeMutablePointer<Float>? = nil,
    _ body: (Place, UnsafePointer<retort_head>) -> Void
  ) {
    let batch = pass.batch
    let token = batch.offsets[sequence]
    let key = pass.past == nil ? batch.keyOffsets[sequence] : token
    let (row, length) = (
      pass.asked == .all ? token : sequence, batch.keyOffsets[sequence + 1] - batch.keyOffsets[sequence]
    )
    let queries = pass.asked.places(of: batch.offsets[sequence + 1] - token)
    let place = (
      query: row * q.columns + index * width, key: key * k.columns + index / group * width,
      sum: row * pass.heads + index
    )
    var (keys, values, stride) = (k.floats + place.key, v.floats + place.key, k.columns)
    if let past = pass.past, let spare, batch.past[sequence] > 0 {
      if !again { join(past, sequence, column: index / group * width, own: key, length, into: spare) }
      (keys, values, stride) = (spare, spare + length * width, width)
    }
    let dropout = pass.dropout?.head(index).parameters ?? retort_dropout()
    withUnsafePointer(to: dropout) { dropout in
      var head = retort_head(
        q: q.floats + place.query, k: keys, v: values,
        queries: queries.count, past: batch.past[sequence] + queries.lowerBound, length: length, width: width,
        stride: q.columns, kv_stride: stride,
        brains: pass.rounds ? 1 : 0, before: min(pass.sight.before ?? length, length),
        after: min(pass.sight.after ?? length, length), scale: pass.scale,
        sequence: batch.sequenceKeys[sequence],
        dropout: pass.dropout == nil ? nil : dropout, bias: bias.map { UnsafePointer(origin($0, index)) },
        bias_gradient: biasGradients.map { origin($0, sequence * pass.heads + index) },
        again: again ? 1 : 0)
      body(place, &head)
    }
  }

  /// Puts a head's keys [length, width], those of the sequence's past in front of its own, and its values behind them.
  private func join(
    _ past: PastKeys, _ sequence: Int, column: Int, own: Int, _ length: Int, into spare: UnsafeMutablePointer<Float>
  ) {
    var place = 0
    func put(_ keys: Tensor, _ values: Tensor, _ row: Int, _ count: Int) {
      for row in row..<row + count {
        let (from, to) = (row * keys.columns + column, spare + place * width)
        to.update(from: keys.floats + from, count: width)
        (to + length * width).update(from: values.floats + from, count: width)
        place += 1
      }
    }
    for part in past.sequences[sequence].parts(ofLayer: past.layer) {
      put(part.page.keys, part.page.values, part.row, part.count)
    }
    put(k, v, own, length - place)
  }

  /// Where distance 0 lies in a row.
  private func origin(_ rows: Tensor, _ row: Int) -> UnsafeMutablePointer<Float> {
    rows.floats + row * pass.distances + pass.batch.longest - 1
  }
}
