/// Rewrites an exam question into the sentence it is about, so that a query looks like what passages look like.

/// Drops sentences that tell the examinee what to do, keeping the words they quote, and expands `{a/b}` into `a, b`.
/// `다음 중 알맞은 것을 고르시오.\n{먹이량/먹이양}을 줄이다.` becomes `먹이량, 먹이양을 줄이다.`
func rewriteExamQuestion(_ question: String) -> String {
  var sentences: [String] = []
  var quoted: [String] = []
  for sentence in splitSentences(question) {
    if isInstruction(sentence) {
      quoted += quotations(in: sentence)
    } else {
      sentences.append(sentence)
    }
  }
  let kept = (sentences + quoted.filter { words in !sentences.contains { $0.contains(words) } }).joined(separator: " ")
  return expandAlternatives(kept.isBlank ? question : kept)
}

/// What only an examiner refers to.
private let examNouns = ["빈칸", "다음 문장", "위 문장", "다음 중", "중괄호", "괄호 안", "밑줄", "어문 규범", "어법에"]
/// What an examinee is told to do or asked for.
private let examTasks = [
  "고르", "고치", "고쳐", "골라", "바로잡", "밝히", "설명", "판단", "선택", "찾아", "찾으", "서술", "완성", "답하", "쓰시오", "쓰세요",
  "알맞", "맞는", "옳은", "바른", "올바른", "부분",
]
private let examEndings = ["시오", "세요", "시요", "하라", "인가", "는가", "은가", "한가", "른가", "것은", "무엇", "까", "그런가"]

private func isInstruction(_ sentence: String) -> Bool {
  let outside = withoutQuotations(sentence)
  guard !examNouns.contains(where: outside.contains) else { return true }
  var stem = outside[...]
  while let last = stem.last, !last.isLetter { stem.removeLast() }
  return examTasks.contains(where: outside.contains) && examEndings.contains(where: stem.hasSuffix)
}

private let closingQuotes: [Character: Character] = ["“": "”", "\"": "\"", "‘": "’"]

/// Ends at line breaks and after `.`, `?`, `!` before white space, but not inside quotation marks.
private func splitSentences(_ text: String) -> [String] {
  var sentences: [String] = []
  var current = ""
  var closing: Character?
  for character in text {
    if character.isNewline || (character.isWhitespace && closing == nil && current.last.map(".?!".contains) == true) {
      sentences.append(current)
      current = ""
      closing = nil
      continue
    }
    if character == closing { closing = nil } else if closing == nil { closing = closingQuotes[character] }
    current.append(character)
  }
  return (sentences + [current]).filter { !$0.isBlank }
}

private func quotations(in sentence: String) -> [String] { parts(of: sentence).filter(\.isQuoted).map(\.text) }

private func withoutQuotations(_ sentence: String) -> String {
  parts(of: sentence).filter { !$0.isQuoted }.map(\.text).joined(separator: " ")
}

private func parts(of sentence: String) -> [(text: String, isQuoted: Bool)] {
  var parts: [(text: String, isQuoted: Bool)] = []
  var current = ""
  var closing: Character?
  for character in sentence {
    if character == closing || (closing == nil && closingQuotes[character] != nil) {
      parts.append((current, closing != nil))
      current = ""
      closing = closing == nil ? closingQuotes[character] : nil
    } else {
      current.append(character)
    }
  }
  return (parts + [(current, false)]).filter { !$0.text.isBlank }
}

/// `{a/b}` as `a, b`; braces without a slash stay.
private func expandAlternatives(_ text: String) -> String {
  var result = ""
  var rest = text[...]
  while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
    let inside = rest[rest.index(after: open)..<close]
    result += rest[..<open]
    result += inside.contains("/") ? inside.split(separator: "/").joined(separator: ", ") : "{\(inside)}"
    rest = rest[rest.index(after: close)...]
  }
  return result + rest
}
