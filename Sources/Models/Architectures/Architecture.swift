/// What a kind of model is: its sizes, and one traversal that asks for each of its weights by name and shape.
import Tensors

/// An architecture with its sizes. Loading, checking, listing and drawing at random all walk the same traversal.
package protocol Architecture: Hashable, Sendable {
  /// config.json's `model_type`s that are this.
  static var modelTypes: [String] { get }
  /// transformers' classes, as config.json names them in `architectures`.
  var classes: (encoder: String, classifier: String) { get }
  /// What stands before the names of the encoder's tensors in models with a head, e.g. `bert.`.
  var prefix: String { get }
  /// The name of the linear map that gives the logit in transformers' class for classification, e.g. `classifier`.
  var classifierName: String { get }
  var classifierHasBias: Bool { get }
  /// What of a sequence's states the head reads, or the classifier where there is no head.
  var classifierPooling: PoolingMode { get }

  /// Throws a `CheckpointError` that names the key that is missing, unknown or out of range.
  init(_ file: Configuration) throws

  /// Width of hidden states.
  var width: Int { get }
  /// Most tokens that a sequence may have.
  var maxTokens: Int { get }
  /// The sizes that config.json names, and tensors that have them.
  var sizes: [NamedSize] { get }
  /// Standard deviation of new weights.
  var initializerRange: Float { get }

  /// The name that a tensor of a checkpoint, its prefix removed, has in the model; `nil` for what is left out: buffers,
  /// and heads of other tasks.
  func modelName(of stored: String) -> String?
  func body(_ builder: ModelBuilder, at prefix: String) throws -> any Body
  /// What checkpoints of the bare encoder may have besides, and embeddings do without.
  func pooler(_ builder: ModelBuilder, at prefix: String) throws
  /// From pooled hidden states to what the classifier reads, by transformers' class, or nothing; `body` was built before.
  func head(_ builder: ModelBuilder, at prefix: String) throws -> (any Head)?
}

extension Architecture {
  package var classifierHasBias: Bool { true }
  package var classifierPooling: PoolingMode { .cls }
  package func pooler(_ builder: ModelBuilder, at prefix: String) throws {}
  package func head(_ builder: ModelBuilder, at prefix: String) throws -> (any Head)? { nil }
}

/// The layers of an encoder.
package protocol Body {
  /// → hidden states [T, width], or of each sequence's first or last token alone [B, width]: then the last layer
  /// computes of other tokens no more than their keys and values. Throws `ModelError` on what the model has no row for.
  func forward(_ batch: PackedBatch, asked: AskedTokens, on tape: Tape, _ dropout: Dropouts) throws -> Variable
}

package protocol Head {
  /// x [B, width] → [B, width]
  func forward(_ x: Variable, rows: Rows, on tape: Tape, _ dropout: Dropouts) -> Variable
}

/// A size that config.json names, and a tensor's dimension that has it, in a checkpoint of the bare encoder.
package struct NamedSize {
  let key: String
  let size: Int
  let tensor: String
  /// Absent: the size counts the tensors of this name, whose `*` stands for 0, 1, …
  let dimension: Int?
}

package enum Architectures {
  /// All that this program has.
  package static let all: [any Architecture.Type] = [Bert.self, ModernBert.self, Decoder.self]

  /// The architecture that a configuration describes. Throws a `CheckpointError` if it is none of `known`.
  package static func read(
    _ file: Configuration, known: [any Architecture.Type] = all
  ) throws -> any Architecture {
    let type = try file.string("model_type")
    guard let architecture = known.first(where: { $0.modelTypes.contains(type) }) else {
      throw CheckpointError(
        file.file, "key \"model_type\"", found: "\"\(type)\"",
        expected: known.flatMap { $0.modelTypes }.map { "\"\($0)\"" }.joined(separator: " or "),
        remedy: "Nothing else is supported yet.")
    }
    return try architecture.init(file)
  }
}
