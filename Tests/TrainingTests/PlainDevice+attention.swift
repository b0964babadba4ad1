/// The plain device's attention and scores of tokens, as their formulas say.
import Foundation
import Tensors

extension PlainDevice {
  // MARK: - Attention

  /// Calls `body` for each head and sequence with its queries' and keys' rows and columns.
  private func forEachHead(
    _ pass: AttentionPass, width: Int,
    _ body: (_ queries: Range<Int>, _ keys: Range<Int>, _ q: Range<Int>, _ k: Range<Int>, _ kept: (Int, Int) -> Double)
      -> Void
  ) {
    for sequence in 0..<pass.batch.count {
      let own = pass.batch.offsets[sequence]..<pass.batch.offsets[sequence + 1]
      let keys = pass.batch.keyOffsets[sequence]..<pass.batch.keyOffsets[sequence + 1]
      for head in 0..<pass.heads {
        let shared = head * pass.keyValueHeads / pass.heads
        body(
          pass.asked == .all ? own : sequence..<sequence + 1, keys, head * width..<(head + 1) * width,
          shared * width..<(shared + 1) * width
        ) { query, key in
          guard let dropout = pass.dropout else { return 1 }
          let row = Rows.Key(sequence: pass.batch.sequenceKeys[sequence], position: UInt32(query))
          return self.keep(dropout.head(head), row, keys.count, key)
        }
      }
    }
  }

  private func cut(_ x: [ArraySlice<Double>], _ row: Int, _ columns: Range<Int>) -> ArraySlice<Double> {
    x[row][x[row].startIndex + columns.lowerBound..<x[row].startIndex + columns.upperBound]
  }

  /// Where the bias between a query and a key lies, of the head whose columns begin at `column`.
  private func biasPlace(_ pass: AttentionPass, _ column: Int, width: Int, _ query: Int, _ key: Int) -> Int {
    (pass.batch.longest - 1 + key - query) * pass.heads + column / width
  }

  /// Softmax of a query's scores.
  private func probabilities(
    _ query: ArraySlice<Double>, _ keys: [ArraySlice<Double>], at place: Int, _ pass: AttentionPass,
    bias: (Int) -> Double
  ) -> [Double] {
    let seen = place - (pass.sight.before ?? place)...place + (pass.sight.after ?? keys.count)
    let scores = keys.enumerated().map {
      seen.contains($0) ? exp(dot(query, $1) * Double(pass.scale) + bias($0)) : 0
    }
    let total = scores.reduce(0, +)
    return scores.map { $0 / total }
  }

  func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, keeps: Bool
  ) -> (out: Tensor, sums: Tensor?) {
    let (k, v) = pass.past?.joined(k, v, pass.batch) ?? (k, v)
    let (qs, ks, vs, bias) = (rows(q), rows(k), rows(v), pass.bias.map(get))
    var out = [Double](repeating: 0, count: q.count)
    forEachHead(pass, width: q.columns / pass.heads) { queries, keys, own, shared, kept in
      let past = pass.asked == .all ? keys.count - queries.count : pass.asked.places(of: keys.count).lowerBound
      for (index, query) in zip(past..., queries) {
        let p = probabilities(
          cut(qs, query, own), keys.map { cut(ks, $0, shared) }, at: index, pass
        ) { bias?[biasPlace(pass, own.lowerBound, width: own.count, index, $0)] ?? 0 }
        for (place, key) in keys.enumerated() {
          for (column, value) in zip(own, cut(vs, key, shared)) {
            out[query * q.columns + column] += kept(index, place) * p[place] * value
          }
        }
      }
    }
    return (made(q.shape, out), keeps ? uninitialized([1]) : nil)
  }

  func attentionBackward(
    _ gradient: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: AttentionPass, out: Tensor, sums: Tensor
  ) -> (dq: Tensor, dk: Tensor, dv: Tensor, dbias: Tensor?) {
    let (qs, ks, vs, arrived, bias) = (rows(q), rows(k), rows(v), rows(gradient), pass.bias.map(get))
    let block = pass.distances * pass.heads
    var dbias = [Double](repeating: 0, count: pass.batch.chunks.count * block)
    var (dq, dk, dv) = (
      [Double](repeating: 0, count: q.count), [Double](repeating: 0, count: k.count),
      [Double](repeating: 0, count: v.count)
    )
    let width = q.columns / pass.heads
    forEachHead(pass, width: width) { queries, keys, own, shared, kept in
      for (index, query) in zip(pass.asked.places(of: keys.count), queries) {
        let p = probabilities(
          cut(qs, query, own), keys.map { cut(ks, $0, shared) }, at: index, pass
        ) { bias?[biasPlace(pass, own.lowerBound, width: own.count, index, $0)] ?? 0 }
        let dout = cut(arrived, query, own)
        let dp = keys.enumerated().map { kept(index, $0) * dot(dout, cut(vs, $1, shared)) }
        let delta = dot(p, dp)
        for (place, key) in keys.enumerated() {
          let chunk = pass.batch.chunks.firstIndex { pass.batch.offsets[$0.upperBound] > keys.lowerBound }!
          let difference = p[place] * (dp[place] - delta)
          dbias[chunk * block + biasPlace(pass, own.lowerBound, width: width, index, place)] += difference
          let slope = difference * Double(pass.scale)
          for column in 0..<width {
            let (left, right) = (query * q.columns + own.lowerBound, key * k.columns + shared.lowerBound)
            dq[left + column] += slope * ks[key][ks[key].startIndex + shared.lowerBound + column]
            dk[right + column] += slope * qs[query][qs[query].startIndex + own.lowerBound + column]
            dv[right + column] += kept(index, place) * p[place] * dout[dout.startIndex + column]
          }
        }
      }
    }
    return (made(q.shape, dq), made(k.shape, dk), made(v.shape, dv), pass.bias.map { made($0.shape, dbias) })
  }

  // MARK: - Scores of tokens

  func products(of table: Weight, _ rows: Range<Int>, with h: Weight) -> Tensor {
    let (all, states) = (self.rows(table.fp32), self.rows(h.value))
    return made([rows.count, h.rows], rows.flatMap { row in states.map { dot(all[row], $0) } })
  }

  func add(_ z: Tensor, from first: Int, to sums: VocabularySums) {
    let (values, targets, before) = (get(z), get(sums.targets), get(sums.peaks))
    let columns = transposed(values, columns: z.columns)
    let peaks = zip(columns, before).map { max($0.max()!, $1) }
    change(sums.totals) { totals in
      for (index, column) in columns.enumerated() {
        totals[index] *= exp(before[index] - peaks[index])
        totals[index] += column.reduce(0) { $0 + exp($1 - peaks[index]) }
      }
    }
    set(sums.peaks, peaks)
    change(sums.chosen) { chosen in
      for (index, target) in targets.enumerated() where (first..<first + z.rows).contains(Int(target)) {
        chosen[index] = values[(Int(target) - first) * z.columns + index]
      }
    }
  }

  func spread(_ z: Tensor, from first: Int, _ sums: VocabularySums, logSums: Tensor, _ ds: Tensor) {
    let (targets, logSums, arrived) = (get(sums.targets), get(logSums), get(ds))
    change(z) { values in
      for index in values.indices {
        let (row, column) = (index / z.columns, index % z.columns)
        let isTarget = Int(targets[column]) == first + row
        values[index] = arrived[column] * ((isTarget ? 1 : 0) - exp(values[index] - logSums[column]))
      }
    }
  }
}
