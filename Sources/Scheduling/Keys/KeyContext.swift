/// What enters keys besides the pipeline file and its inputs: the environment, programs, the numerics, the hub.
import Artifacts
import Foundation
import Hub
import Pipelines

package struct KeyContext: Sendable {
  package var environment: [String: String]
  /// What `auto` stands for on this machine.
  package var automaticPrecision: String
  /// What decides the bits in a precision, such as `fp32`.
  package var numericsProfile: @Sendable (_ precision: String) -> String
  /// The version of a tool that a stage kind names, such as gnuplot.
  package var outsideToolVersion: @Sendable (_ tool: String) throws -> String
  /// Where models come from that are named by `hf://org/name`.
  package var hub = Hub()
  /// Ask the hub what its names stand for although that is known.
  package var asksHubAgain = false

  package init(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    automaticPrecision: String, numericsProfile: @escaping @Sendable (String) -> String,
    outsideToolVersion: @escaping @Sendable (String) throws -> String
  ) {
    self.environment = environment
    self.automaticPrecision = automaticPrecision
    self.numericsProfile = numericsProfile
    self.outsideToolVersion = outsideToolVersion
  }

  package func material(
    of stage: PlannedStage, inputs: [String: Digest], hasher: SourceHasher
  ) throws -> KeyMaterial {
    var stage = stage
    stage.compute = resolved(stage.compute)
    let numerics = stage.description.numeric ? numericsProfile(stage.compute.precision) : ""
    var material = KeyMaterial(stage: stage, inputs: inputs, numericsProfile: numerics)
    for name in stage.command?.environment ?? [] { material.environment[name] = environment[name] }
    for name in stage.command?.tools ?? [] { material.tools[name] = try digest(ofTool: name, hasher: hasher) }
    for name in stage.description.outsideTools { material.outsideTools[name] = try outsideToolVersion(name) }
    return material
  }

  /// The same, with the precision that this machine computes in.
  func resolved(_ compute: Compute) -> Compute {
    var compute = compute
    if compute.precision == Compute.automaticPrecision { compute.precision = automaticPrecision }
    return compute
  }

  package func digest(ofTool name: String, hasher: SourceHasher) throws -> Digest {
    try hasher.hash(find(name)).artifact.digest
  }

  private func find(_ tool: String) throws -> URL {
    let folders = (environment["PATH"] ?? "").split(separator: ":").map { URL(filePath: String($0)) }
    let found = folders.map { $0.appending(path: tool) }.first { FileStatus.of($0)?.isExecutable == true }
    guard let found else { throw UnknownTool(name: tool) }
    return found
  }
}

struct UnknownTool: Error, CustomStringConvertible {
  let name: String
  var description: String { "the tool `\(name)` is not on PATH; install it or take it out of `tools`" }
}
