/// Ids become the texts that the tokenizers library makes of them.
import Foundation
import JSONText
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct DecodingTests {
  private static let folder = fixtures.appending(path: "tokenizers")

  private static func read(_ file: URL) throws -> JSONValue {
    try Data(contentsOf: file).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
  }

  private func decoder(_ written: JSONValue, of name: String) throws -> TokenDecoder {
    var file = try Self.read(Self.folder.appending(path: "\(name)/tokenizer.json"))
    file["decoder"] = written
    let scratch = try ScratchFolder()
    try scratch.write(file.text(), to: "tokenizer.json")
    return try Tokenizer(folder: scratch.url).decoder()
  }

  @Test func `texts of ids equal those of the tokenizers library`() throws {
    // Made by Tests/Fixtures/generate/decoding.py.
    let cases = try #require(Self.read(Self.folder.appending(path: "decoding.json")).elements)
    #expect(cases.count == 14)
    for one in cases {
      let name = try #require(one["tokenizer"]?.string)
      let decoder = try decoder(try #require(one["decoder"]), of: name)
      for line in try #require(one["lines"]?.elements) {
        let ids = try #require(line["ids"]?.elements).map { Int32(try #require($0.int)) }
        let texts = [decoder.decode(ids), decoder.decode(ids, keepsSpecial: true)]
        let expected = try [#require(line["text"]?.string), #require(line["kept"]?.string)]
        #expect(texts.map { Array($0.utf8) } == expected.map { Array($0.utf8) }, "\(name): \(ids)")
      }
    }
  }

  @Test(arguments: [
    (#"{"type":"CTC"}"#, #"the decoder "CTC" is not supported; supported: ByteLevel"#),
    (#"{"type":"Strip","content":"ab","start":1,"stop":0}"#, #"decoder.content is "ab", expected one character"#),
    (#"{"type":"Sequence","decoders":[{"type":"Strip","start":-1,"stop":0}]}"#, "decoder.decoders[0].start is -1"),
    (#"{"type":"BPEDecoder","suffix":""}"#, "decoder.suffix is"),
  ])
  func `a decoder that cannot be used is refused when it is asked for`(written: String, message: String) throws {
    let value = try Data(written.utf8).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      return try reader.onlyValue()
    }
    let error = #expect(throws: TokenizerError.self) { try decoder(value, of: "bpe-gpt2") }
    let text = try #require(error).description
    #expect(text.contains(message), "\(text)")
  }

  @Test(arguments: [
    ("BertTokenizer", "uncased", "the quick, brown"), ("GPT2Tokenizer", "bpe-gpt2", " the quick  fox"),
    ("LlamaTokenizer", "bpe-bytes", "the fox"), ("GemmaTokenizer", "bpe-bytes", "the  fox "),
    ("XLMRobertaTokenizer", "unigram-charsmap", "the fox"),
  ])
  func `a class has its own decoder, whatever the file says`(kind: String, name: String, text: String) throws {
    var file = try Self.read(Self.folder.appending(path: "\(name)/tokenizer.json"))
    file["decoder"] = ["type": "Fuse"]
    let scratch = try ScratchFolder()
    try scratch.write(file.text(), to: "tokenizer.json")
    try scratch.write("{\"tokenizer_class\": \"\(kind)\"}", to: "tokenizer_config.json")
    let tokenizer = try Tokenizer(folder: scratch.url)
    #expect(try tokenizer.decoder().decode(tokenizer.encode(text, maxLength: nil).ids) == text)
  }
}
