/// Runs the instructions of a pickle (protocols 2 to 5) on a stack of values that are only described.
import Foundation

struct PickleMachine {
  private let bytes: UnsafeRawBufferPointer
  private let file: URL
  private var place = 0
  private var stack: [Pickle.ID] = []
  /// Heights of the stack at which marks lie.
  private var marks: [Int] = []
  private var memo: [Int: Pickle.ID] = [:]

  init(_ bytes: UnsafeRawBufferPointer, file: URL) {
    self.bytes = bytes
    self.file = file
  }

  /// The value that the pickle makes. Throws a `CheckpointError` that names the byte.
  mutating func run(into pickle: inout Pickle, storage: (String) -> Range<Int>?) throws -> Pickle.ID {
    var start = 0
    do throws(PickleError) {
      while try !step(&pickle, storage) { start = place }
      return try pop()
    } catch {
      throw CheckpointError(
        file, "pickle, byte \(start)", found: error.found, expected: error.expected,
        remedy: PyTorchFile.remedy(file))
    }
  }

  /// Whether the pickle ends here.
  private mutating func step(_ pickle: inout Pickle, _ storage: (String) -> Range<Int>?) throws(PickleError) -> Bool {
    let code = UInt8(try number(UInt8.self))
    switch code {
    case UInt8(ascii: "."): return true
    case 0x80:  // the protocol
      let version = try number(UInt8.self)
      guard (2...5).contains(version) else { throw PickleError("protocol \(version)", "2 to 5") }
    case 0x95: _ = try number(UInt64.self)  // the length of what follows
    case UInt8(ascii: "("):
      guard marks.count < Pickle.mostValues else { throw PickleError("\(marks.count) open marks", "fewer") }
      marks.append(stack.count)

    case UInt8(ascii: "N"): try push(.none, &pickle)
    case 0x88, 0x89: try push(.bool(code == 0x88), &pickle)
    case UInt8(ascii: "K"): try push(.int(try number(UInt8.self)), &pickle)
    case UInt8(ascii: "M"): try push(.int(try number(UInt16.self)), &pickle)
    case UInt8(ascii: "J"): try push(.int(try number(Int32.self)), &pickle)
    case 0x8A: try push(.int(try wide()), &pickle)
    case UInt8(ascii: "G"): try push(.float(try double()), &pickle)
    case 0x8C: try push(.text(try text(number(UInt8.self))), &pickle)
    case UInt8(ascii: "X"): try push(.text(try text(number(UInt32.self))), &pickle)
    case 0x8D: try push(.text(try text(number(UInt64.self))), &pickle)

    case UInt8(ascii: ")"): try push(.tuple([]), &pickle)
    case 0x85, 0x86, 0x87: try push(.tuple(try pop(Int(code - 0x84))), &pickle)
    case UInt8(ascii: "t"): try push(.tuple(try popToMark()), &pickle)
    case UInt8(ascii: "]"): try push(.list([]), &pickle)
    case UInt8(ascii: "a"): try pickle.append(try pop(1), to: try top())
    case UInt8(ascii: "e"): try pickle.append(try popToMark(), to: try top())
    case UInt8(ascii: "}"): try push(.dictionary([]), &pickle)
    case UInt8(ascii: "s"): try pickle.insert(try pop(2), into: try top())
    case UInt8(ascii: "u"): try pickle.insert(try popToMark(), into: try top())

    case UInt8(ascii: "q"): try remember(as: number(UInt8.self))
    case UInt8(ascii: "r"): try remember(as: number(UInt32.self))
    case 0x94: try remember(as: memo.count)
    case UInt8(ascii: "h"): stack.append(try remembered(number(UInt8.self)))
    case UInt8(ascii: "j"): stack.append(try remembered(number(UInt32.self)))

    case UInt8(ascii: "c"):
      let (module, name) = (try line(), try line())
      try push(.name(try known(module, name)), &pickle)
    case 0x93:
      let parts = try pop(2).map { pickle[$0] }
      guard case .text(let module) = parts[0], case .text(let name) = parts[1] else {
        throw PickleError("\(parts[0].kind) and \(parts[1].kind) as a name", "two texts")
      }
      try push(.name(try known(module, name)), &pickle)
    case UInt8(ascii: "i"):
      let (module, name) = (try line(), try line())
      throw Self.refusal("an instance of \(module).\(name)")
    case UInt8(ascii: "R"):
      let call = try pop(2).map { pickle[$0] }
      try push(try PickledCall.result(of: call[0], call[1], pickle), &pickle)
    case UInt8(ascii: "b"):
      // PyTorch's dictionaries carry notes on versions, which say nothing of tensors.
      let state = pickle[try pop()]
      guard case .dictionary = pickle[try top()], case .dictionary = state else {
        throw Self.refusal("\(pickle[try top()].kind) built from \(state.kind)")
      }
    case UInt8(ascii: "Q"): try push(try PickledCall.storage(pickle[try pop()], pickle, storage), &pickle)
    default:
      if let name = Self.making[code] { throw Self.refusal("the instruction \(name)") }
      throw PickleError("the instruction 0x\(String(code, radix: 16))", Self.allRead)
    }
    return false
  }

  private func known(_ module: String, _ name: String) throws(PickleError) -> Pickle.Name {
    guard let known = Pickle.Name(module, name) else { throw Self.refusal("\(module).\(name)") }
    return known
  }

  static func refusal(_ found: String) -> PickleError {
    PickleError("\(found), which would run code", allRead)
  }

  private static let allRead = "tensors and plain containers, which are all that is read"

  /// Instructions that make objects of classes.
  private static let making: [UInt8: String] = [
    UInt8(ascii: "o"): "OBJ", 0x81: "NEWOBJ", 0x92: "NEWOBJ_EX", UInt8(ascii: "P"): "PERSID", 0x82: "EXT1",
    0x83: "EXT2", 0x84: "EXT4",
  ]
}

// The stack and the bytes, each within its bounds.
extension PickleMachine {
  private mutating func push(_ value: Pickle.Value, _ pickle: inout Pickle) throws(PickleError) {
    stack.append(try pickle.add(value))
  }

  private func top() throws(PickleError) -> Pickle.ID {
    guard let id = stack.last, stack.count > marks.last ?? 0 else { throw PickleError("an empty stack", "a value") }
    return id
  }

  private mutating func pop() throws(PickleError) -> Pickle.ID {
    let id = try top()
    stack.removeLast()
    return id
  }

  private mutating func pop(_ count: Int) throws(PickleError) -> [Pickle.ID] {
    guard stack.count - (marks.last ?? 0) >= count else { throw PickleError("too few values", "\(count)") }
    let items = Array(stack.suffix(count))  // a slice would have the whole stack copied when it shrinks
    stack.removeLast(count)
    return items
  }

  private mutating func popToMark() throws(PickleError) -> [Pickle.ID] {
    guard let mark = marks.popLast() else { throw PickleError("no mark", "one") }
    let items = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return items
  }

  private mutating func remember(as number: Int) throws(PickleError) {
    guard memo.count < Pickle.mostValues else { throw PickleError("\(memo.count) remembered values", "fewer") }
    memo[number] = try top()
  }

  private func remembered(_ number: Int) throws(PickleError) -> Pickle.ID {
    guard let id = memo[number] else { throw PickleError("nothing remembered as \(number)", "a value") }
    return id
  }

  private mutating func number<N: FixedWidthInteger & BitwiseCopyable>(_ type: N.Type) throws(PickleError) -> Int {
    let size = MemoryLayout<N>.size
    guard place <= bytes.count - size else { throw PickleError("the end of the pickle", "its next instruction") }
    defer { place += size }
    return Int(clamping: N(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: type)))
  }

  /// A whole number of up to 8 bytes.
  private mutating func wide() throws(PickleError) -> Int {
    let count = try number(UInt8.self)
    guard count <= 8 else { throw PickleError("a number of \(count) bytes", "at most 8") }
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(try number(UInt8.self)) << (8 * index) }
    // The highest bit that is there is the sign.
    let unused = 64 - 8 * count
    return count == 0 ? 0 : Int(Int64(bitPattern: value << unused) >> unused)
  }

  private mutating func double() throws(PickleError) -> Double {
    guard place <= bytes.count - 8 else { throw PickleError("the end of the pickle", "a number") }
    defer { place += 8 }
    return Double(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
  }

  private mutating func text(_ length: Int) throws(PickleError) -> String {
    guard length <= bytes.count - place else { throw PickleError("a text of \(length) bytes", "at most those left") }
    defer { place += length }
    guard let text = String(validating: bytes[place..<place + length], as: UTF8.self) else {
      throw PickleError("a text that is not UTF-8", "UTF-8")
    }
    return text
  }

  /// Up to the end of the line, which names a module or a member of one.
  private mutating func line() throws(PickleError) -> String {
    let rest = bytes[place...].prefix(512)
    guard let end = rest.firstIndex(of: 0x0A) else { throw PickleError("a name without end", "one of a line") }
    defer { place = end + 1 }
    return try text(end - place)
  }
}
