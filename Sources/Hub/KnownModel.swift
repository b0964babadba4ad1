/// Models of the hub whose architecture and tokenizer Retort has, for people who look for one.

package struct KnownModel: Sendable, Encodable {
  package enum Use: String, Sendable, Encodable { case encoder, embedder, reranker }
  package let repository: String
  /// What it has learned: an encoder still nothing of retrieval.
  package let use: Use
  package let languages: String
  package let parameters: Int
  /// As the model's card names it; `nil` where it names none.
  package let licence: String?
  /// Whether its numbers were compared with those of sentence-transformers.
  package var isCompared = false

  private static func model(
    _ repository: String, _ use: Use, _ languages: String, millions: Double, _ licence: String?,
    isCompared: Bool = false
  ) -> KnownModel {
    KnownModel(
      repository: repository, use: use, languages: languages, parameters: Int(millions * 1e6), licence: licence,
      isCompared: isCompared)
  }

  /// Korean ones first, then multilingual ones that know Korean, then English ones.
  package static let all = [
    model("dragonkue/multilingual-e5-small-ko", .embedder, "Korean", millions: 118, "apache-2.0"),
    model("jhgan/ko-sroberta-multitask", .embedder, "Korean", millions: 111, nil),
    model("nlpai-lab/KURE-v1", .embedder, "Korean", millions: 568, "mit"),
    model("dragonkue/BGE-m3-ko", .embedder, "Korean", millions: 568, "apache-2.0"),
    model("klue/bert-base", .encoder, "Korean", millions: 111, "cc-by-sa-4.0"),
    model("klue/roberta-base", .encoder, "Korean", millions: 111, nil),
    model("intfloat/multilingual-e5-small", .embedder, "94, Korean too", millions: 118, "mit", isCompared: true),
    model("intfloat/multilingual-e5-base", .embedder, "94, Korean too", millions: 278, "mit"),
    model("intfloat/multilingual-e5-large-instruct", .embedder, "94, Korean too", millions: 560, "mit"),
    model(
      "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", .embedder, "50, Korean too", millions: 118,
      "apache-2.0"),
    model("BAAI/bge-m3", .embedder, "100, Korean too", millions: 568, "mit"),
    model("BAAI/bge-reranker-v2-m3", .reranker, "100, Korean too", millions: 568, "apache-2.0"),
    model(
      "sentence-transformers/all-MiniLM-L6-v2", .embedder, "English", millions: 22.7, "apache-2.0", isCompared: true),
    model(
      "sentence-transformers/all-mpnet-base-v2", .embedder, "English", millions: 109, "apache-2.0", isCompared: true),
    model("BAAI/bge-small-en-v1.5", .embedder, "English", millions: 33.4, "mit"),
  ]
}
