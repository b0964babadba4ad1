/// What a pickle says, as far as it is tensors and plain containers. Nothing that it names is looked up or run: the few
/// names that PyTorch's checkpoints need stand for values here, and every other one is refused.
import Foundation

/// A part of a storage, seen as a tensor.
struct TensorView {
  let type: ElementType
  let shape: [Int]
  /// The step from one index of a dimension to the next, in elements.
  let strides: [Int]
  /// The first element's place in the storage, in elements.
  let offset: Int
  /// Where the storage lies in the file.
  let storage: Range<Int>

  /// Whether the elements lie one after another, row-major.
  var isContiguous: Bool {
    var step = 1
    for (size, stride) in zip(shape, strides).reversed() where size != 1 {
      guard stride == step else { return false }
      step *= size
    }
    return true
  }
}

struct Pickle {
  /// Index into `values`: containers name what they hold, so that none lies in another and any may hold itself.
  struct ID { let index: Int32 }

  enum Value {
    case none, bool(Bool), int(Int), float(Double), text(String)
    case tuple([ID]), list([ID]), dictionary([(key: ID, value: ID)])
    case name(Name), storage(ElementType, Range<Int>), tensor(TensorView)

    /// For messages.
    var kind: String {
      switch self {
      case .none: "None"
      case .bool: "a truth value"
      case .int, .float: "a number"
      case .text: "a text"
      case .tuple: "a tuple"
      case .list: "a list"
      case .dictionary: "a dictionary"
      case .name: "a name"
      case .storage: "a storage"
      case .tensor: "a tensor"
      }
    }
  }

  /// What a checkpoint may name.
  enum Name {
    case orderedDictionary, rebuildTensor, rebuildParameter, parameter, storage(ElementType)

    private static let known: [[UInt8]: Name] = {
      var known: [String: Name] = [
        "collections.OrderedDict": .orderedDictionary, "torch._utils._rebuild_tensor_v2": .rebuildTensor,
        "torch._utils._rebuild_parameter": .rebuildParameter, "torch.nn.parameter.Parameter": .parameter,
      ]
      let types: [(String, ElementType)] = [
        ("Float", .f32), ("Half", .f16), ("BFloat16", .bf16), ("Double", .f64), ("Long", .i64), ("Int", .i32),
        ("Short", .i16), ("Char", .i8), ("Byte", .u8), ("Bool", .bool),
      ]
      for (name, type) in types { known["torch.\(name)Storage"] = .storage(type) }
      return Dictionary(uniqueKeysWithValues: known.map { (Array($0.key.utf8), $0.value) })
    }()

    init?(_ module: String, _ name: String) {
      guard let known = Self.known[Array("\(module).\(name)".utf8)] else { return nil }
      self = known
    }
  }

  private var values: [Value] = []
  /// The value that the pickle is.
  private(set) var root = ID(index: 0)

  subscript(id: ID) -> Value { values[Int(id.index)] }

  /// More values than any checkpoint has; 64 bytes each.
  static let mostValues = 1 << 20

  /// - Parameters:
  ///   - storage: where the storage of this key lies in the file; `nil` if there is none.
  ///   - file: for messages.
  init(_ bytes: UnsafeRawBufferPointer, file: URL, storage: (String) -> Range<Int>?) throws {
    var machine = PickleMachine(bytes, file: file)
    root = try machine.run(into: &self, storage: storage)
  }

  /// - Throws: `PickleError`, beyond `mostValues`.
  mutating func add(_ value: Value) throws(PickleError) -> ID {
    guard values.count < Self.mostValues else {
      throw PickleError("more than \(Self.mostValues) values", "a checkpoint's")
    }
    values.append(value)
    return ID(index: Int32(values.count - 1))
  }

  /// Appends to a list.
  mutating func append(_ items: [ID], to id: ID) throws(PickleError) {
    guard case .list(var list) = self[id] else { throw PickleError("items for \(self[id].kind)", "a list") }
    values[Int(id.index)] = .none  // so that the list is not copied
    list += items
    values[Int(id.index)] = .list(list)
  }

  /// Adds keys and values by turns to a dictionary.
  mutating func insert(_ items: [ID], into id: ID) throws(PickleError) {
    guard case .dictionary(var members) = self[id], items.count.isMultiple(of: 2) else {
      throw PickleError("\(items.count) keys and values for \(self[id].kind)", "pairs for a dictionary")
    }
    values[Int(id.index)] = .none
    for place in stride(from: 0, to: items.count, by: 2) {
      members.append((items[place], items[place + 1]))
    }
    values[Int(id.index)] = .dictionary(members)
  }
}

/// What is wrong with a pickle, before the file and the byte are added.
struct PickleError: Error {
  let found, expected: String

  init(_ found: String, _ expected: String) { (self.found, self.expected) = (found, expected) }
}
