import JSONText
import TestSupport
import Testing

@Suite struct JSONReaderTests {
  @Test(arguments: [
    ("", "1:1: found the end, expected a value"),
    ("{\n\"a\": 1,\n}", #"3:1: found "}", expected a key in double quotes"#),
    (#"{"a": 01}"#, #"1:8: found "1}", expected `,` or `}`"#), (#"{"a" 1}"#, #"1:6: found "1}", expected `:`"#),
    ("[1 2]", #"1:4: found "2]", expected `,` or `]`"#), ("[1,]", #"1:4: found "]", expected a value"#),
    (#"["가", tru]"#, #"1:7: found "tru]", expected true"#), (#"{"a": 1} x"#, #"1:10: found "x", expected the end"#),
    (#"{"a": 1,"# + "\n " + #""a": 2}"#, #"2:2: found "a" again, expected each key once"#),
    ("[.5]", "expected a value"),
    ("[-]", "expected a digit"), ("[1.]", "expected a digit"), ("[1e+]", "expected a digit"),
    ("[+1]", "expected a value"),
    (#"["\x"]"#, #"1:3: found "\\x\"]", expected an escape"#), (#"["\ud83d"]"#, "1:3"),
    (#"["\ud83d\u0041"]"#, "a pair"),
    (#"["\udc00"]"#, "a pair of surrogates"), (#"["\u12"]"#, "hexadecimal"), (#"["\u+123"]"#, "hexadecimal"),
    ("[\"a\nb\"]", #"1:4: found "\nb\"]", expected an escape for a control character"#),
    (#"{"a": "x"#, "1:7: found a string that does not end"), (#"["\"#, "1:2: found a string"), ("[1", "found the end"),
    (String(repeating: "[", count: 129), "1:129: found deeper nesting, expected at most 128 levels"),
  ])
  func `malformed JSON is refused with line and column`(text: String, message: String) throws {
    let error = try #require(throws: JSONError.self) { try parse(text) }
    let (line, column) = Array(text.utf8).withUnsafeBytes(error.place)
    #expect("\(line):\(column): \(error)".contains(message), "\(line):\(column): \(error)")
  }

  @Test func `bytes are UTF-8 if the standard library says so`() {
    let edges: [UInt8] = [
      0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4, 0xF5,
    ]
    for first in edges {
      for second in edges {
        for third in edges {
          for fourth in edges {
            let text = [first, second, third, fourth]
            let isRead = ([0x22] + text + [0x22]).withUnsafeBytes { bytes in
              var reader = JSONReader(bytes)
              var read: [UInt8] = []
              return (try? reader.appendString(to: &read)) != nil && read == text
            }
            #expect(isRead == (String(validating: text, as: UTF8.self) != nil), "\(text)")
          }
        }
      }
    }
  }

  @Test func `a byte order mark is stepped over, and bytes that are not UTF-8 are refused`() throws {
    #expect(try parse([0xEF, 0xBB, 0xBF] + "1".utf8) == 1)
    #expect(throws: JSONError.self) { try parse([0x22, 0xED, 0xA0, 0x80, 0x22]) }
    #expect(throws: JSONError.self) { try parse([0x22, 0x5C, 0x6E, 0xC0, 0x80, 0x22]) }
  }

  @Test func `members and elements are read one by one, and a copy reads again what was skipped`() throws {
    let text = #"x {"skip": {"a": ["]", {}, "\""]}, "\u0065\u0301": 7, "list": [], "ids": [3, -4]} y"#
    try Array(text.utf8).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes, in: 2..<bytes.count - 2)
      var keys: [String] = []
      var ids: [Int] = []
      var skipped = reader
      try reader.beginObject()
      while let key = try reader.nextKey() {
        keys.append(key)
        switch key {
        case "skip":
          skipped = reader
          try reader.skip()
        case "list", "ids":
          try reader.beginArray()
          while try reader.nextElement() { ids.append(try reader.int()) }
        default: ids.append(try reader.int())
        }
      }
      try reader.finish()
      #expect(keys == ["skip", "e\u{301}", "list", "ids"] && ids == [7, 3, -4])
      var key: [UInt8] = [1, 2, 3]
      try skipped.beginObject()
      #expect(try skipped.nextKey(into: &key) && key == Array("a".utf8))
      #expect(try skipped.value() == ["]", [:], "\""])
      #expect(try !skipped.nextKey(into: &key))
    }
  }

  @Test(arguments: ["1.0", "1e2", "\"1\"", "9223372036854775808", "[]", ""])
  func `an id is a whole number`(text: String) {
    Array(text.utf8).withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      let error = #expect(throws: JSONError.self) { try reader.int() }
      #expect(error?.expected == "a whole number")
    }
  }

  @Test func `a number is read as the nearest double, however many digits it has`() throws {
    var random = SplitMix(state: 9)
    var numbers = [
      "0", "-0", "0.1", "-2.5e-320", "9007199254740993", "9007199254740993.0000001", "18446744073709551615",
    ]
    for _ in 0..<20_000 {
      let digits = "\(UInt64.random(in: 0 ... .max, using: &random) >> UInt64.random(in: 0...63, using: &random))"
      let point = Int.random(in: 1...digits.count, using: &random)
      numbers += ["0.\(digits)", "-\(digits.prefix(point)).\(digits.dropFirst(point))0", digits]
    }
    for number in numbers {
      let double = try Array(number.utf8).withUnsafeBytes { bytes in
        var reader = JSONReader(bytes)
        return try reader.double()
      }
      #expect(double.bitPattern == Double(number)?.bitPattern, "\(number)")
    }
  }

  @Test func `an object of many keys has each once`() throws {
    let members = (0..<40).map { "\"k\($0)\":\($0)" }
    #expect(try parse("{\(members.joined(separator: ","))}")["k39"] == 39)
    for twice in [3, 20, 39] {
      let text = "{\((members + [members[twice]]).joined(separator: ","))}"
      #expect(throws: JSONError.self) { try parse(text) }
    }
  }

  @Test func `damaged text is refused, or is text of the value that it is read as`() throws {
    let original = Array(#"{"a\u00e9":[1,-2.5e+3,{"b":"한글\n"},[],{}],"c":{"d":true,"e":null},"f":"\ud83d\ude00"}"#.utf8)
    var random = SplitMix(state: 7)
    var refused = 0
    for _ in 0..<5000 {
      var bytes = original
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[place] = Array(#"{}[],:"\-09eEu."#.utf8).randomElement(using: &random) ?? 0
        default: bytes.remove(at: place)
        }
      }
      do {
        let value = try parse(bytes)
        #expect(try parse(value.text()) == value)
        try bytes.withUnsafeBytes { bytes in
          var reader = JSONReader(bytes)
          try reader.skip()
          try reader.finish()
        }
      } catch is JSONError {
        refused += 1
      }
    }
    #expect(refused > 2500 && refused < 5000)
  }
}
