/// What the calls in a checkpoint's pickle would give: dictionaries, storages, and tensors that look at them.

enum PickledCall {
  /// The value of `function(*arguments)`.
  static func result(
    of function: Pickle.Value, _ arguments: Pickle.Value, _ pickle: Pickle
  ) throws(PickleError) -> Pickle.Value {
    guard case .name(let name) = function, case .tuple(let arguments) = arguments else {
      throw PickleMachine.refusal("a call of \(function.kind)")
    }
    switch name {
    case .orderedDictionary:
      guard arguments.isEmpty else { throw PickleError("a dictionary made from a list", "one made empty") }
      return .dictionary([])
    case .rebuildTensor: return .tensor(try tensor(arguments.map { pickle[$0] }, pickle))
    case .rebuildParameter, .parameter:
      guard let first = arguments.first, case .tensor = pickle[first] else {
        throw PickleError("a parameter of no tensor", "one of a tensor")
      }
      return pickle[first]
    case .storage: throw PickleError("a call of a storage", "a storage of the archive")
    }
  }

  /// A storage by what the pickle says of it: ("storage", type, key, device, number of elements).
  static func storage(
    _ id: Pickle.Value, _ pickle: Pickle, _ place: (String) -> Range<Int>?
  ) throws(PickleError) -> Pickle.Value {
    guard case .tuple(let ids) = id, ids.count == 5, case .text("storage") = pickle[ids[0]],
      case .name(.storage(let type)) = pickle[ids[1]], case .text(let key) = pickle[ids[2]],
      case .int(let count) = pickle[ids[4]]
    else { throw PickleError("another reference", "a storage with type, key, device and size") }
    guard let bytes = place(key) else { throw PickleError("the storage \"\(key)\"", "one that the archive has") }
    let (size, overflow) = count.multipliedReportingOverflow(by: type.bits / 8)
    guard !overflow, size == bytes.count else {
      throw PickleError("a storage of \(count) \(type.rawValue)", "the \(bytes.count) bytes of \"\(key)\"")
    }
    return .storage(type, bytes)
  }

  private static let mostDimensions = 64

  /// A view of (storage, offset, sizes, strides, …), all of which lies in the storage and none of it twice.
  private static func tensor(_ arguments: [Pickle.Value], _ pickle: Pickle) throws(PickleError) -> TensorView {
    guard arguments.count >= 4, case .storage(let type, let storage) = arguments[0],
      case .int(let offset) = arguments[1], let shape = sizes(arguments[2], pickle),
      let strides = sizes(arguments[3], pickle), shape.count == strides.count, shape.count <= mostDimensions
    else { throw PickleError("another form of a tensor", "storage, offset, sizes and strides") }
    let available = storage.count / (type.bits / 8)
    guard let count = product(shape), let last = last(offset, shape, strides), offset >= 0,
      count == 0 || last < available
    else {
      throw PickleError(
        "a tensor \(shape) with strides \(strides) from \(offset)",
        "one within the \(available) elements of its storage")
    }
    guard count <= available else {
      throw PickleError("a tensor \(shape) that repeats \(available) elements", "one that has each element once")
    }
    return TensorView(type: type, shape: shape, strides: strides, offset: offset, storage: storage)
  }

  /// Whole numbers from 0.
  private static func sizes(_ value: Pickle.Value, _ pickle: Pickle) -> [Int]? {
    guard case .tuple(let ids) = value, ids.count <= mostDimensions else { return nil }
    let sizes = ids.compactMap { id -> Int? in
      guard case .int(let size) = pickle[id], size >= 0 else { return nil }
      return size
    }
    return sizes.count == ids.count ? sizes : nil
  }

  /// The place of the last element; `nil` if it is beyond all numbers.
  private static func last(_ offset: Int, _ shape: [Int], _ strides: [Int]) -> Int? {
    var last = offset
    for (size, stride) in zip(shape, strides) {
      let (step, tooFar) = max(0, size - 1).multipliedReportingOverflow(by: stride)
      let (sum, overflow) = last.addingReportingOverflow(step)
      guard !tooFar, !overflow else { return nil }
      last = sum
    }
    return last
  }

  /// `nil` if it is beyond all numbers.
  private static func product(_ factors: [Int]) -> Int? {
    var product = 1
    for factor in factors {
      let (value, overflow) = product.multipliedReportingOverflow(by: factor)
      guard !overflow else { return nil }
      product = value
    }
    return product
  }
}
