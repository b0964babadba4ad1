/// Tells whether a stage's outputs may be moved into the store one after the other.
import Artifacts
import Foundation
import Pipelines

extension Job {
  /// Whether none of the outputs is reached through another, by a link or as a part of it.
  func outputsLieApart(in enclosure: Enclosure) throws -> Bool {
    do {
      for output in outputs.values where try enclosure.status(of: output.url)?.isLink != false { return false }
    } catch is UnexpectedFile { return false }  // a link on the way
    let folders = outputs.values.map { $0.url.pathBytes + [UInt8(ascii: "/")] }
    return folders.allSatisfy { folder in folders.count { $0.starts(with: folder) } == 1 }
  }
}
