/// What an evaluation judges: queries with their passages, from groups or from a table of triplets.
import Foundation
import Pipelines

/// Groups, records of triplets, or a folder of one of BEIR's sets or of several.
struct EvaluationFile: Artifact {
  static let type = ArtifactType.groups
  static let accepts: [ArtifactType] = [.groups, .records, .folder]
  private let bound: BoundArtifact
  init(_ bound: BoundArtifact) { self.bound = bound }
  var url: URL { bound.url }

  /// Throws a `DataError` if the file has to be looked at and cannot be read.
  func kind() throws -> ArtifactType { url.isFolder ? .folder : try bound.type ?? ArtifactType(lookingAt: url) }

  /// What tells it from others of a list.
  var name: String {
    URL(filePath: bound.label ?? bound.name ?? url.lastPathComponent).deletingPathExtension().relativePath
  }
}

/// A query with one passage that answers it and one that does not.
struct Triplet {
  /// Index into the groups.
  let query: Int
  let positive: Passage
  let negative: Passage
}

struct EvaluationData {
  var groups: [QueryGroup]
  var triplets: [Triplet]

  init(groups: [QueryGroup]) {
    self.groups = groups
    triplets = groups.enumerated().flatMap { number, group in
      group.pairs.map { Triplet(query: number, positive: $0.positive, negative: $0.negative) }
    }
  }

  init(_ builder: GroupBuilder) {
    groups = builder.finish(graded: true).groups
    triplets = builder.triplets
  }
}

extension QueryGroup {
  /// Positives and negatives side by side: in twos where there are as many of these as of those, else each positive
  /// with each negative.
  var pairs: [(positive: Passage, negative: Passage)] {
    positives.count == negatives.count
      ? Array(zip(positives, negatives))
      : positives.flatMap { positive in negatives.map { (positive, $0) } }
  }
}
