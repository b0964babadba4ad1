import JSONText
import TestSupport
import Testing

/// The one value of `text`.
func parse(_ text: some StringProtocol) throws -> JSONValue { try parse(Array(text.utf8)) }

func parse(_ bytes: [UInt8]) throws -> JSONValue {
  try bytes.withUnsafeBytes { bytes in
    var reader = JSONReader(bytes)
    return try reader.onlyValue()
  }
}

@Suite struct JSONValueTests {
  @Test func `a value keeps its keys, their order, its numbers' digits and its text's code points`() throws {
    let line = #"{"z":0.10,"a":[1e5,-0,1E+400],"e\u0301":"\ud83d\ude00\/\u00e9\b","n":null,"t":true,"":{}}"#
    let expected =
      "{\"z\":0.10,\"a\":[1e5,-0,1E+400],\"e\u{301}\":\"😀/\u{E9}\\u0008\",\"n\":null,\"t\":true,\"\":{}}"
    #expect(try Array(parse(line).text().utf8) == Array(expected.utf8))
  }

  // `.line` and `.indented` as Python's json.dumps(…, ensure_ascii=False) with separators=(",", ":") and with indent=2.
  @Test func `every layout is read back as the same value`() throws {
    let value: JSONValue = [
      "a": [1, -0.5, 1e30], "b": [["x": []], []], "empty": [:], "text": "\"한글\\ \u{1}\n\t\r\u{7F}", "on": true,
      "no": .null,
    ]
    let texts = [
      value.text(), value.text(.indented), value.text(.document),
    ]
    #expect(
      texts == [
        #"{"a":[1,-0.5,1e+30],"b":[{"x":[]},[]],"empty":{},"text":"\"한글\\ \u0001\n\t\r"#
          + "\u{7F}" + #"","on":true,"no":null}"#,
        """
        {
          "a": [
            1,
            -0.5,
            1e+30
          ],
          "b": [
            {
              "x": []
            },
            []
          ],
          "empty": {},
          "text": "\\"한글\\\\ \\u0001\\n\\t\\r\u{7F}",
          "on": true,
          "no": null
        }

        """,
        """
        {
          "a": [1, -0.5, 1e+30],
          "b": [
            {
              "x": []
            },
            []
          ],
          "empty": {},
          "text": "\\"한글\\\\ \\u0001\\n\\t\\r\u{7F}",
          "on": true,
          "no": null
        }

        """,
      ])
    for text in texts { #expect(try parse(text) == value) }
  }

  @Test func `numbers come back to the bit, and only as what they are`() throws {
    var random = SplitMix(state: 7)
    for _ in 0..<1000 {
      let double = Double(bitPattern: random.next())
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
      #expect(try parse(JSONValue.double(double).text()).double == (double.isFinite ? double : nil))
      #expect(try parse(JSONValue.float(float).text()).float == (float.isFinite ? float : nil))
    }
    #expect(JSONValue.float(0.1) == 0.1 && JSONValue.double(.nan) == .null && JSONValue.optional(nil) == .null)
    #expect(try parse("9223372036854775807").int == .max)
    #expect(try parse("9223372036854775808").int == nil)
    #expect(try parse("9223372036854775808").double == 0x1p63)
    #expect(try parse("1.0").int == nil && parse("1e2").int == nil && parse("\"1\"").double == nil)
    #expect(try parse("1e999").double == nil && parse("1e39").float == nil)
  }

  @Test func `setting a key keeps its place, appends or removes`() {
    var value: JSONValue = ["a": 1, "b": 2]
    value["a"] = "x"
    value["c"] = []
    value["b"] = nil
    #expect(value == ["a": "x", "c": []])
    #expect(value["b"] == nil && value["a"]?["a"] == nil)
  }
}
