/// y = word[id] + segment[type] + position[place in its sequence]; backward adds each row to the rows it came from.
/// y [T, width]; word [vocabulary, width], position [positions, width], segment [segments, width].
import CKernels

extension Tape {
  package func embedding(_ batch: PackedBatch, word: Weight, position: Weight, segment: Weight) -> Variable {
    let (engine, columns) = (engine, word.value.columns)
    let kernels = Kernels.active.table
    let (ids, types) = (engine.tensor(batch.ids), engine.tensor(batch.typeIDs))
    let places = engine.tensor(batch.tokenRows.keys.map { Int32($0.position) })
    let y = engine.matrix(batch.tokens, columns)
    Profile.measure(.embedding, bytes: 16 * y.count) {
      engine.blocks(of: batch.tokens, size: 64) { start, count in
        kernels.pointee.embed(
          ids.ints + start, places.ints + start, types.ints + start, word.value.floats, position.value.floats,
          segment.value.floats, y.floats + start * columns, count, columns)
      }
    }
    let needed = word.isTrainable || position.isTrainable || segment.isTrainable
    return record(y, needed: needed, as: .embedding, bytes: 36 * y.count) { dy in
      // Tokens in order, threads side by side: a sum's order is the tokens'.
      for (weight, indices) in [(word, ids), (position, places), (segment, types)] {
        guard let sum = weight.gradient else { continue }
        engine.blocks(of: columns, size: 64) { start, count in
          kernels.pointee.scatter(indices.ints, dy.floats, sum.floats, dy.rows, columns, start, start + count)
        }
      }
    }
  }
}
