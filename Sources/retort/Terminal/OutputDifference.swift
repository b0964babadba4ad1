/// Where two outputs of a stage first differ: in which training step, tensor and element, or in which line or byte.
import Artifacts
import Foundation
import Lineage
import Models

struct OutputDifference: Encodable {
  struct File: Encodable {
    /// Where bytes differ; absent for safetensors files whose tensors do.
    var content: ContentDifference?
    var tensor: TensorDifference?
    var path: String
  }
  var stage: String
  var port: String
  /// Of stages that reported metrics step by step.
  var step: StepDifference?
  /// In the order of paths, weights first.
  var files: [File]
  /// Why there is nothing to tell.
  var gone: String?

  /// Of every output that both sides have and that differs.
  static func all(of stage: RunDifference.Stage, _ journal: Journal) throws -> [OutputDifference] {
    try stage.outputs.filter { !$0.isSame }.compactMap { output in
      guard let left = output.left, let right = output.right else { return nil }
      var difference = OutputDifference(stage: stage.name, port: output.port, files: [])
      if let left = stage.makers[0], let right = stage.makers[1] {
        difference.step = StepDifference(try journal.curves(ofMaker: left), try journal.curves(ofMaker: right))
      }
      let sides = (URL(filePath: left.path), URL(filePath: right.path))
      guard FileStatus.of(sides.0) != nil, FileStatus.of(sides.1) != nil else {
        difference.gone = "its bytes are no longer in the store"
        return difference
      }
      difference.files = try ContentDifference.differences(sides.0, sides.1).map { try File($0, sides.0, sides.1) }
      let weights = difference.files.filter { $0.tensor != nil }
      difference.files = weights + difference.files.filter { $0.tensor == nil }
      return difference
    }
  }

  var lines: [String] {
    var lines: [String] = []
    if let step {
      func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "not a number" }
      lines.append("step \(step.step): \(step.metric) is \(text(step.left)) and \(text(step.right))")
    }
    if let gone { lines.append("\(port): \(gone)") }
    for file in files {
      let name = file.path.isEmpty ? port : "\(port)/\(file.path)"
      if let tensor = file.tensor {
        let index = tensor.index.map { $0.map { "\($0)" }.joined(separator: ", ") }
        let others = tensor.tensors > 1 ? "; \(tensor.tensors) tensors differ" : ""
        let share = tensor.differing.map { " (\($0) of \(tensor.count ?? 0) elements differ\(others))" } ?? ""
        lines.append(
          "\(name): \(tensor.tensor)\(index.map { "[\($0)]" } ?? "") is \(tensor.left) and \(tensor.right)\(share)")
      } else if let content = file.content {
        let place = content.line.map { " line \($0)" } ?? content.byte.map { " byte \($0)" } ?? ""
        lines.append("\(name)\(place): `\(content.left)` and `\(content.right)`")
      }
    }
    return lines
  }
}

extension OutputDifference.File {
  fileprivate init(_ content: ContentDifference, _ left: URL, _ right: URL) throws {
    path = content.path
    self.content = content
    let sides = path.isEmpty ? (left, right) : (left.appending(path: path), right.appending(path: path))
    guard content.byte != nil, path.hasSuffix(".safetensors") else { return }
    tensor = try TensorDifference(SafeTensors(contentsOf: sides.0), SafeTensors(contentsOf: sides.1))
    if tensor != nil { self.content = nil }
  }
}
