/// Whether all that a reader was told came to something.
import Foundation
import Pipelines

extension GroupReader {
  /// Nothing that was asked for may come to nothing unsaid.
  /// - Parameters:
  ///   - form: of the data.
  ///   - passages: the file of passages, if there is one.
  ///   - stage: the stage's name, for warnings.
  func checkUse(
    form: String, data: URL, passages: URL?, _ builder: GroupBuilder, _ context: StageContext, _ stage: String
  ) throws {
    let book = passages ?? data
    for (url, problem) in [
      (data, columns.unused(of: "columns", form: form, keys: fields.keys(ofQueries: true))),
      (book, passageColumns.unused(of: "passage_columns", form: form, keys: fields.keys(ofQueries: false))),
      (data, fields.missing(in: queryForm, isQuery: true)),
      (book, fields.missing(in: passageForm, isQuery: false)),
    ] {
      // Where nothing could be read, what is wrong with the records says more.
      if let problem, builder.drafted > 0 || builder.gaps.first == nil { throw DataError(url, problem) }
    }
    if fields.lacksTitles(passageForm) {
      context.warn("[\(stage)] no passage has a title, so `{title}` of `passage_template` stands for nothing")
    }
  }
}
