/// A trained WordPiece vocabulary and the files that transformers and this module load it from.
import Foundation
import JSONText

package struct WordPieceVocabulary: Sendable, Equatable {
  /// By id.
  package let pieces: [String]
  package let lowercases: Bool

  /// Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and vocab.txt into `folder`.
  package func write(to folder: URL, modelMaxLength: Int = 512) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let names = [
      "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
    ]
    let settings: [String: Any] = [
      "tokenizer_class": "BertTokenizer", "do_lower_case": lowercases, "strip_accents": false,
      "tokenize_chinese_chars": true, "model_max_length": modelMaxLength,
    ]
    try writeJSON(names, to: folder.appending(path: "special_tokens_map.json"))
    try writeJSON(settings.merging(names) { $1 }, to: folder.appending(path: "tokenizer_config.json"))
    try write(tokenizerJSON, to: folder.appending(path: "tokenizer.json"))
    try write(pieces.joined(separator: "\n") + "\n", to: folder.appending(path: "vocab.txt"))
  }

  private var tokenizerJSON: String {
    let special = WordPieceTrainer.specialTokens.enumerated().map { id, token in
      #"{"id":\#(id),"content":\#(quoted(token)),"single_word":false,"lstrip":false,"rstrip":false,"#
        + #""normalized":false,"special":true}"#
    }
    let vocabulary = pieces.enumerated().map { "\(quoted($1)):\($0)" }
    func token(_ name: String, _ typeID: Int) -> String { #"{"SpecialToken":{"id":"\#(name)","type_id":\#(typeID)}}"# }
    func text(_ name: String, _ typeID: Int) -> String { #"{"Sequence":{"id":"\#(name)","type_id":\#(typeID)}}"# }
    let single = [token("[CLS]", 0), text("A", 0), token("[SEP]", 0)]
    let pair = single + [text("B", 1), token("[SEP]", 1)]
    let definitions = ["[CLS]", "[SEP]"].map { name in
      let id = pieces.firstIndex(of: name) ?? 0
      return #""\#(name)":{"id":"\#(name)","ids":[\#(id)],"tokens":["\#(name)"]}"#
    }
    return """
      {"version":"1.0","truncation":null,"padding":null,
      "added_tokens":[\(special.joined(separator: ","))],
      "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":false,\
      "lowercase":\(lowercases)},
      "pre_tokenizer":{"type":"BertPreTokenizer"},
      "post_processor":{"type":"TemplateProcessing","single":[\(single.joined(separator: ","))],\
      "pair":[\(pair.joined(separator: ","))],"special_tokens":{\(definitions.joined(separator: ","))}},
      "decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
      "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",\
      "max_input_chars_per_word":100,"vocab":{
      \(vocabulary.joined(separator: ",\n"))}}}

      """
  }

  private func quoted(_ text: String) -> String { JSONValue.string(text).text() }

  private func writeJSON(_ object: [String: Any], to file: URL) throws {
    try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys]).write(to: file)
  }

  private func write(_ text: String, to file: URL) throws {
    try Data(text.utf8).write(to: file)
  }
}
