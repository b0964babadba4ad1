/// Text to ids, exactly as the Hugging Face tokenizers library: normalize, split, encode, add special tokens, cut.
import Foundation
import JSONText

package final class Tokenizer: Sendable {
  /// Ids are below this: the rows that an embedding table needs.
  package let vocabularySize: Int
  /// `model_max_length` of tokenizer_config.json; nil if absent or without bound.
  package let modelMaxLength: Int?
  package let padID: Int32?
  package var unknownID: Int32? { model.unknownID }
  /// How words become pieces: `WordPiece`, `Unigram`.
  package var kind: String { model.kind }
  /// What is done otherwise than tokenizer.json says, for the user to hear.
  package let notices: [String]

  private let normalizer: Normalizer
  private let preTokenizer: PreTokenizer
  private let model: Model
  private let postProcessor: PostProcessor
  private let addedTokens: AddedTokens
  private let truncationSide: TruncationSide
  private let decoding: TokenizerFields?

  /// Reads tokenizer.json, or the vocabulary files that older folders have instead, and tokenizer_config.json, if there,
  /// of a model folder; throws `TokenizerError`.
  package init(folder: URL) throws {
    let settings = try TokenizerSettings(folder: folder)
    let file = try TokenizerFile(folder, settings)
    let kind = try settings.kind(over: file.fields)
    let stored = try Normalizer(file.fields.object("normalizer"))
    let storedWords = try PreTokenizer(file.fields.object("pre_tokenizer"))
    if let kind {
      let steps: JSONValue = [
        "normalizer": try kind.normalizer(settings.fields, stored: file.fields.value("normalizer")),
        "pre_tokenizer": try kind.preTokenizer(settings.fields),
      ]
      let fields = try TokenizerFields(steps, path: "", file: folder.appending(path: "tokenizer_config.json").path)
      normalizer = try Normalizer(fields.object("normalizer"))
      preTokenizer = try PreTokenizer(fields.object("pre_tokenizer"))
    } else {
      (normalizer, preTokenizer) = (stored, storedWords)
    }
    truncationSide = try settings.truncationSide ?? TruncationSide(file.fields.object("truncation"))
    model = file.model
    let tokens = try settings.addedTokens(kind, file: file)
    addedTokens = AddedTokens(tokens, model, normalizer: normalizer, file: file.name)
    decoding = try (kind?.decoder(settings.fields, folder) ?? file.fields).object("decoder")
    let (added, pieces) = (addedTokens, model)
    postProcessor = try settings.postProcessor(kind, file: file) { token in
      added.all.first { $0.content.utf8.elementsEqual(token.utf8) }?.id ?? pieces.id(of: token)
    }
    notices =
      settings.notices
      + (file.isWhole
        ? TokenizerSettings.notices(normalizer, replacing: stored)
          + TokenizerSettings.notices(preTokenizer, replacing: storedWords) : []) + addedTokens.notices
    let largestID = max(model.largestID, addedTokens.all.map(\.id).max() ?? -1)
    vocabularySize = Int(largestID) + 1

    modelMaxLength = settings.modelMaxLength
    let pad = settings.padToken ?? "[PAD]"
    padID = addedTokens.all.first { $0.content.utf8.elementsEqual(pad.utf8) }?.id ?? model.id(of: pad)
  }

  /// The id of an added token or a vocabulary's piece.
  package func tokenToID(_ token: String) -> Int32? {
    addedTokens.all.first { $0.content.utf8.elementsEqual(token.utf8) }?.id ?? model.id(of: token)
  }

  /// Builds the tables of Unicode now, which the first text would otherwise wait for.
  package func prepare() {
    _ = ScalarTraits.of(0)
    normalizer.prepare()
  }

  /// Encodes a text with the special tokens around it; `maxLength` counts these too.
  package func encode(_ text: String, maxLength: Int?) -> Encoding {
    var content = contentIDs(text)
    let limit = max(0, (maxLength ?? .max) - PostProcessor.addedCount(postProcessor.single))
    let truncated = content.count > limit
    if truncated { truncationSide.cut(&content, to: limit) }
    return assemble(postProcessor.single, [content], truncated: truncated)
  }

  /// Encodes a text that names its special tokens itself. Where it is cut, it ends with `ending` all the same, which
  /// takes the place of its last tokens, as in sentence-transformers.
  package func encode(whole text: String, ending: [Int32], maxLength: Int?) -> Encoding {
    var ids = contentIDs(text)
    let truncated = ids.count > maxLength ?? .max
    if let maxLength, truncated {
      truncationSide.cut(&ids, to: maxLength)
      let kept = ending.suffix(maxLength)
      ids.replaceSubrange((ids.count - kept.count)..., with: kept)
    }
    return assemble([.text(0, typeID: 0)], [ids], truncated: truncated)
  }

  /// The ids of a text that goes on: with the special tokens in front of it, without those behind it.
  package func encodeBeginning(_ text: String) -> [Int32] {
    var ids: [Int32] = []
    for part in postProcessor.single {
      guard case .special(let special, _) = part else { break }
      ids += special
    }
    return ids + contentIDs(text)
  }

  /// The ids of a text without special tokens around it; those that it names itself are there.
  package func encodeAlone(_ text: String) -> [Int32] { contentIDs(text) }

  /// What makes text of ids; throws `TokenizerError` where tokenizer.json's decoder cannot be used.
  package func decoder() throws -> TokenDecoder {
    TokenDecoder(model, addedTokens, normalizer, try DecodingStep(decoding))
  }

  /// How many tokens a prompt has at the front of an input, special ones included, as sentence-transformers counts them:
  /// those of the prompt alone, without a special one at the end.
  package func promptTokens(_ prompt: String, maxLength: Int?) -> Int {
    let ids = encode(prompt, maxLength: maxLength).ids
    guard let last = ids.last else { return 0 }
    let closes =
      addedTokens.all.contains { $0.id == last && $0.isSpecial } || last == model.unknownID
      || postProcessor.single.contains { if case .special(let ids, _) = $0 { ids.contains(last) } else { false } }
    return ids.count - (closes ? 1 : 0)
  }

  /// Encodes two texts as one input, as cross-encoders read them; throws `.cannotTruncate`, never by `longestFirst`.
  package func encode(
    pair: (String, String), maxLength: Int?, strategy: TruncationStrategy = .longestFirst
  ) throws -> Encoding {
    var contents = [contentIDs(pair.0), contentIDs(pair.1)]
    let (first, second) = (contents[0].count, contents[1].count)
    let limit = max(0, (maxLength ?? .max) - PostProcessor.addedCount(postProcessor.pair))
    guard let (keptFirst, keptSecond) = strategy.keep(first, second, limit: limit) else {
      throw TokenizerError.cannotTruncate(
        strategy: strategy, first: first, second: second, maxLength: maxLength ?? .max)
    }
    truncationSide.cut(&contents[0], to: keptFirst)
    truncationSide.cut(&contents[1], to: keptSecond)
    return assemble(postProcessor.pair, contents, truncated: keptFirst < first || keptSecond < second)
  }

  private func assemble(_ template: [PostProcessor.Part], _ contents: [[Int32]], truncated: Bool) -> Encoding {
    var encoding = Encoding(truncated: truncated)
    let count = contents.reduce(PostProcessor.addedCount(template)) { $0 + $1.count }
    encoding.ids.reserveCapacity(count)
    encoding.typeIDs.reserveCapacity(count)
    for part in template {
      let (ids, typeID) =
        switch part {
        case .special(let ids, let typeID): (ids, typeID)
        case .text(let text, let typeID): (contents[text], typeID)
        }
      encoding.ids += ids
      encoding.typeIDs += repeatElement(typeID, count: ids.count)
    }
    for ids in contents {
      encoding.contentTokens += ids.count
      encoding.unknowns += ids.count { $0 == model.unknownID }
    }
    return encoding
  }

  /// The ids of a text without special tokens around it.
  private func contentIDs(_ text: String) -> [Int32] {
    var text = text
    return text.withUTF8 { bytes in
      var ids: [Int32] = []
      ids.reserveCapacity(bytes.count / 3)
      var normalized: [UInt8] = []
      addedTokens.raw.split(bytes) { segment, id in
        if let id { return ids.append(id) }
        // A model may write before the word that it reads, so the text does not start at 0.
        normalized.replaceSubrange(0..., with: repeatElement(0, count: model.headroom))
        normalizer.normalize(UnsafeBufferPointer(rebasing: bytes[segment]), into: &normalized)
        encode(&normalized, beginning: beginning(bytes, in: segment), into: &ids)
      }
      return ids
    }
  }

  /// How many bytes of the segment's normalized form stand for the text's first character.
  private func beginning(_ text: UnsafeBufferPointer<UInt8>, in segment: Range<Int>) -> Int {
    guard segment.lowerBound == 0, preTokenizer.marksFirst, !text.isEmpty else { return 0 }
    var end = 0
    _ = text.scalar(at: &end)
    return normalizer.beginning(UnsafeBufferPointer(rebasing: text[segment]), end)
  }

  /// Appends the ids of one normalized stretch of text.
  private func encode(_ normalized: inout [UInt8], beginning: Int, into ids: inout [Int32]) {
    normalized.withUnsafeMutableBufferPointer { text in
      let start = model.headroom
      addedTokens.normalized.split(UnsafeBufferPointer(rebasing: text[start...])) { segment, id in
        if let id { return ids.append(id) }
        model.encode(
          text, start + segment.lowerBound..<start + segment.upperBound,
          beginning: beginning - segment.lowerBound, words: preTokenizer, into: &ids)
      }
    }
  }
}

/// What a model reads of one text or pair.
package struct Encoding: Sendable, Equatable {
  package var ids: [Int32] = []  // [tokens]
  /// 0 for the first text, 1 for the second, as the tokenizer's template says.
  package var typeIDs: [Int32] = []  // [tokens]
  /// Tokens besides the special ones that the template adds; 0 means that the text says nothing.
  package var contentTokens = 0
  /// Tokens at the front that a model does not pool.
  package var unpooled = 0
  package var unknowns = 0
  package var truncated = false
}
