/// The parts of an OpenLineage event (https://openlineage.io/spec/2-0-2/OpenLineage.json) and the facets that we fill.
import Artifacts
import Foundation
import Pipelines
import Scheduling

struct OpenLineageEvent {
  enum Kind: String { case start = "START", complete = "COMPLETE", fail = "FAIL", abort = "ABORT" }

  /// A job and one run of it.
  struct Subject: Hashable {
    var namespace: String
    var name: String
    var run: UUID
    /// The pipeline's, of a stage's.
    var parent: [Subject] = []
  }

  var kind: Kind
  var time: Date
  var subject: Subject
  /// `PIPELINE` or `STAGE`.
  var jobType: String
  var inputs: [ParameterValue] = []
  var outputs: [ParameterValue] = []
  /// Of a failure.
  var error: String?

  private static let producer = "urn:retort:\(retortVersion)"

  /// One line of JSON.
  func encoded() throws -> Data {
    var runFacets = [
      "processing_engine": Self.facet(
        "1-1-1/ProcessingEngineRunFacet", ["name": .string("Retort"), "version": .string(retortVersion)])
    ]
    if let parent = subject.parent.first {
      runFacets["parent"] = Self.facet(
        "1-0-1/ParentRunFacet", ["run": .map(["runId": parent.runID]), "job": .map(parent.job)])
    }
    if let error {
      runFacets["errorMessage"] = Self.facet(
        "1-0-1/ErrorMessageRunFacet", ["message": .string(error), "programmingLanguage": .string("Swift")])
    }
    let type = Self.facet(
      "2-0-3/JobTypeJobFacet",
      ["processingType": .string("BATCH"), "integration": .string("RETORT"), "jobType": .string(jobType)])
    let event: [String: ParameterValue] = [
      "eventType": .string(kind.rawValue),
      "eventTime": .string(time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))),
      "run": .map(["runId": subject.runID, "facets": .map(runFacets)]),
      "job": .map(subject.job.merging(["facets": .map(["jobType": type])]) { $1 }),
      "inputs": .list(inputs),
      "outputs": .list(outputs),
      "producer": .string(Self.producer),
      "schemaURL": .string("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"),
    ]
    return Data(try storedText(ParameterValue.map(event)).utf8)
  }

  /// - Parameters:
  ///   - source: what the dataset lies in.
  ///   - fields: of a table's rows; `nil` for what is no table.
  static func dataset(
    namespace: String, name: String, version: Digest?, source: (name: String, uri: String),
    fields: [(name: String, type: String)]?
  ) -> ParameterValue {
    var facets = [
      "dataSource": facet(
        "1-0-1/DatasourceDatasetFacet",
        ["name": .string(source.name), "uri": .string(source.uri)])
    ]
    if let version {
      facets["version"] = facet(
        "1-0-1/DatasetVersionDatasetFacet", ["datasetVersion": .string(version.description)])
    }
    if let fields {
      let list = fields.map { ParameterValue.map(["name": .string($0.name), "type": .string($0.type)]) }
      facets["schema"] = facet("1-1-1/SchemaDatasetFacet", ["fields": .list(list)])
    }
    return .map(["namespace": .string(namespace), "name": .string(name), "facets": .map(facets)])
  }

  /// - Parameter schema: version and name of the facet's own schema.
  private static func facet(_ schema: String, _ fields: [String: ParameterValue]) -> ParameterValue {
    let name = schema.split(separator: "/")[1]
    return .map(
      fields.merging([
        "_producer": .string(producer),
        "_schemaURL": .string("https://openlineage.io/spec/facets/\(schema).json#/$defs/\(name)"),
      ]) { $1 })
  }
}

extension OpenLineageEvent.Subject {
  fileprivate var runID: ParameterValue { .string(run.uuidString.lowercased()) }
  fileprivate var job: [String: ParameterValue] { ["namespace": .string(namespace), "name": .string(name)] }
}
