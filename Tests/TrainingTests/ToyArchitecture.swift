/// An architecture in one file: a bag of pieces and places, normalised, through one map to the width.
import Models
import Tensors

struct Bag: Architecture {
  var pieces, places, width: Int

  static let modelTypes = ["bag"]
  var classes: (encoder: String, classifier: String) { ("BagModel", "BagForSequenceClassification") }
  let prefix = "bag."
  let classifierName = "classifier"
  let initializerRange: Float = 0.5
  var maxTokens: Int { places }
  var sizes: [NamedSize] { [] }

  init(pieces: Int, places: Int, width: Int) { (self.pieces, self.places, self.width) = (pieces, places, width) }

  init(_ file: Configuration) throws {
    self.init(
      pieces: try file.int("vocab_size"), places: try file.int("max_position_embeddings"),
      width: try file.int("hidden_size"))
  }

  static func == (left: Bag, right: Bag) -> Bool {
    (left.pieces, left.places, left.width) == (right.pieces, right.places, right.width)
  }

  private struct Layers: Body {
    let piece, place, kind: Weight
    let norm: Norm
    let map: LinearLayer

    func forward(_ batch: PackedBatch, asked: AskedTokens, on tape: Tape, _ dropout: Dropouts) throws -> Variable {
      let rows = batch.tokenRows
      let sum = tape.embedding([(piece, batch.ids), (kind, batch.typeIDs), (place, batch.positions)])
      let states = map(norm(sum, rows: rows, on: tape), .gelu, rows: rows, on: tape)
      // A bag has neither a first piece nor a last one: all stand for it.
      return asked == .all ? states : tape.pool(states, [.mean], batch: batch)
    }
  }

  private struct Nothing: Head {
    func forward(_ x: Variable, rows: Rows, on tape: Tape, _ dropout: Dropouts) -> Variable { x }
  }

  func body(_ builder: ModelBuilder, at prefix: String) throws -> any Body {
    Layers(
      piece: try builder.table("\(prefix)piece.weight", pieces, width, .normal(deviation: 1)),
      place: try builder.table("\(prefix)place.weight", places, width, .normal(deviation: 1)),
      kind: try builder.table("\(prefix)kind.weight", 2, width, .zeros),
      norm: try builder.norm("\(prefix)norm", width, eps: 1e-6),
      map: try builder.linear("\(prefix)map", width, width, deviation: 0.5))
  }
  func head(_ builder: ModelBuilder, at prefix: String) -> (any Head)? { Nothing() }
  func modelName(of stored: String) -> String? { stored }
}
