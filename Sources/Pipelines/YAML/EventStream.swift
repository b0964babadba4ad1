/// libyaml's events as Swift values. The only file that touches libyaml.
import CYAML

enum YAMLEvent {
  case scalar(text: String, isPlain: Bool, Properties)
  case alias(String)
  case sequenceStart(Properties)
  case mappingStart(Properties)
  case collectionEnd
  case documentStart
  case documentEnd
  case streamEnd

  /// What may precede a value: `&anchor` and `!tag`.
  struct Properties {
    var anchor: String?
    var tag: String?
  }
}

/// libyaml's complaint. `byte` is the place where `mark` is not known.
struct YAMLSyntaxError: Error {
  var message: String
  var mark: Mark?
  var byte = 0
}

/// Pulls events from libyaml. It owns the parser, which must keep its address because it points into itself.
final class EventStream {
  private let source: Int
  private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)

  /// - Parameters:
  ///   - bytes: valid UTF-8 that must outlive the stream.
  ///   - source: what marks say of the file.
  init(_ bytes: UnsafeBufferPointer<UInt8>, source: Int) throws(YAMLSyntaxError) {
    self.source = source
    guard yaml_parser_initialize(parser) == 1 else {
      parser.deallocate()
      throw YAMLSyntaxError(message: "out of memory")
    }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deallocate()
  }

  func next() throws(YAMLSyntaxError) -> (event: YAMLEvent, mark: Mark) {
    while true {
      var raw = yaml_event_t()
      guard yaml_parser_parse(parser, &raw) == 1 else { throw failure }
      defer { yaml_event_delete(&raw) }
      if let event = YAMLEvent(raw) { return (event, Mark(raw.start_mark, source)) }
    }
  }

  private var failure: YAMLSyntaxError {
    let problem = parser.pointee.problem.map { String(cString: $0) } ?? "unknown problem"
    switch parser.pointee.error {
    case YAML_READER_ERROR: return YAMLSyntaxError(message: problem, byte: Int(parser.pointee.problem_offset))
    case YAML_MEMORY_ERROR: return YAMLSyntaxError(message: "out of memory")
    default: break
    }
    let context = parser.pointee.context.map { context in
      " \(String(cString: context)), begun in line \(parser.pointee.context_mark.line + 1)"
    }
    return YAMLSyntaxError(message: problem + (context ?? ""), mark: Mark(parser.pointee.problem_mark, source))
  }
}

extension Mark {
  fileprivate init(_ mark: yaml_mark_t, _ source: Int) {
    self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1, source: source)
  }
}

extension YAMLEvent {
  /// `nil` for the start of the stream.
  fileprivate init?(_ event: yaml_event_t) {
    let data = event.data
    switch event.type {
    case YAML_SCALAR_EVENT:
      let bytes = UnsafeBufferPointer(start: data.scalar.value, count: data.scalar.length)
      self = .scalar(
        text: String(decoding: bytes, as: UTF8.self), isPlain: data.scalar.style == YAML_PLAIN_SCALAR_STYLE,
        Properties(data.scalar.anchor, data.scalar.tag))
    case YAML_ALIAS_EVENT: self = .alias(text(data.alias.anchor) ?? "")
    case YAML_SEQUENCE_START_EVENT:
      self = .sequenceStart(Properties(data.sequence_start.anchor, data.sequence_start.tag))
    case YAML_MAPPING_START_EVENT: self = .mappingStart(Properties(data.mapping_start.anchor, data.mapping_start.tag))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: self = .collectionEnd
    case YAML_DOCUMENT_START_EVENT: self = .documentStart
    case YAML_DOCUMENT_END_EVENT: self = .documentEnd
    case YAML_STREAM_END_EVENT: self = .streamEnd
    default: return nil
    }
  }
}

extension YAMLEvent.Properties {
  fileprivate init(_ anchor: UnsafePointer<yaml_char_t>?, _ tag: UnsafePointer<yaml_char_t>?) {
    self.init(anchor: text(anchor), tag: text(tag))
  }
}

private func text(_ pointer: UnsafePointer<yaml_char_t>?) -> String? {
  pointer.map { String(cString: $0) }
}
