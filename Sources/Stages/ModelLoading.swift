/// Models of a pipeline as the stages here use them.
import Pipelines

enum LoadedModel {
  case bi(any TextEncoding)
  case cross(any PairScoring)
}

func loadModel(_ folder: ModelFolder, _ context: StageContext) throws -> LoadedModel {
  throw StageInputError("models cannot be loaded yet")
}

func loadBiEncoder(_ folder: ModelFolder, _ context: StageContext) throws -> any TextEncoding {
  guard case .bi(let model) = try loadModel(folder, context) else {
    throw StageInputError("\(folder.url.path): a cross-encoder, expected a bi-encoder")
  }
  return model
}

func loadCrossEncoder(_ folder: ModelFolder, _ context: StageContext) throws -> any PairScoring {
  guard case .cross(let model) = try loadModel(folder, context) else {
    throw StageInputError("\(folder.url.path): a bi-encoder, expected a cross-encoder")
  }
  return model
}
