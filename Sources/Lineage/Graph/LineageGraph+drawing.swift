/// The graph as text that other programs draw: Mermaid flowcharts and Graphviz' DOT.
import Artifacts
import Escaping

extension LineageGraph {
  /// https://mermaid.js.org/syntax/flowchart.html; GitHub draws it in a fenced block.
  package var mermaid: String {
    var lines = ["flowchart LR"]
    for node in nodes {
      let label = "\"\(node.label.flatMap(wrapped).map(Escape.mermaid).joined(separator: "<br/>"))\""
      lines.append("  \(node.id)" + (node.isStage ? "[\(label)]" : "([\(label)])"))
    }
    for edge in edges { lines.append("  \(edge.from) -->|\"\(Escape.mermaid(edge.port))\"| \(edge.to)") }
    return lines.joined(separator: "\n")
  }

  /// https://graphviz.org/doc/info/lang.html
  package var dot: String {
    var lines = ["digraph lineage {", "  rankdir=LR;", "  node [fontname=\"sans-serif\"];"]
    for node in nodes {
      let label = node.label.flatMap(wrapped).map(Escape.dot).joined(separator: "\\n")
      lines.append("  \(node.id) [shape=\(node.isStage ? "box" : "ellipse"), label=\"\(label)\"];")
    }
    for edge in edges { lines.append("  \(edge.from) -> \(edge.to) [label=\"\(Escape.dot(edge.port))\"];") }
    return (lines + ["}"]).joined(separator: "\n")
  }

  private struct Node {
    var id: String
    var label: [String]
    var isStage: Bool
  }
  private struct Edge {
    var from: String
    var to: String
    var port: String
  }

  private func id(of stage: Stage) -> String { "s\(stage.id)" }
  private func id(of artifact: Digest) -> String { "a\(artifact.description.prefix(16))" }

  /// An artifact is called by where it lay, else by the first output that it is.
  private var nodes: [Node] {
    var names: [Digest: String] = [:]
    for stage in stages {
      for (port, digest) in stage.outputs.sorted(by: { $0.key < $1.key }) where names[digest] == nil {
        names[digest] = "\(stage.name).\(port)"
      }
    }
    return artifacts.map { artifact in
      let name = artifact.source ?? names[artifact.digest]
      return Node(
        id: id(of: artifact.digest), label: [name, String(artifact.digest.description.prefix(12))].compactMap { $0 },
        isStage: false)
    }
      + stages.map { stage in
        let run = stage.run.map { ", run \($0)" } ?? ""
        return Node(id: id(of: stage), label: [stage.name, stage.kind + run], isStage: true)
      }
  }

  private var edges: [Edge] {
    stages.flatMap { stage in
      stage.inputs.sorted { $0.key < $1.key }.map {
        Edge(from: id(of: $0.value), to: id(of: stage), port: $0.key)
      }
        + stage.outputs.sorted { $0.key < $1.key }.map {
          Edge(from: id(of: stage), to: id(of: $0.value), port: $0.key)
        }
    }
  }
}

/// A label in lines of at most 32 characters, broken where names have joints.
func wrapped(_ text: String) -> [String] {
  let widest = 32
  var lines: [String] = []
  var rest = text.unicodeScalars[...]
  while rest.count > widest {
    let head = rest.prefix(widest)
    // Better between folders and words than within them.
    let joint = [" /", ",;.-_]"].lazy.compactMap { signs in head.lastIndex { signs.unicodeScalars.contains($0) } }.first
    let end = joint.map { rest.index(after: $0) } ?? head.endIndex
    lines.append(String(rest[..<end]))
    rest = rest[end...]
  }
  return lines + [String(rest)]
}
