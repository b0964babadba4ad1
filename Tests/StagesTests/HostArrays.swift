/// Arrays of a device read and written by tests.
import CPU
import Models
import Tensors

@testable import Stages

extension Embeddings {
  init(_ rows: [Float], width: Int) {
    self.init(CPU(threads: 1).tensor(rows, [rows.count / width, width]))
  }
}

extension SafeTensors {
  /// A tensor's elements, widened.
  func floats(_ name: String) throws -> [Float] { CPU(threads: 1).tensor(try stored(name), as: .f32).array }
}
