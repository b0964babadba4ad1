/// Arguments of filters, tests, methods and functions, by name or place.

extension Called {
  /// Throws `Unfit` if there are others than these, or more.
  func check(_ names: [String]) throws(Unfit) {
    guard plain.count <= names.count else { throw Unfit("\(plain.count) arguments, of at most \(names.count)") }
    if let other = named.first(where: { !names.contains($0.name) }) {
      throw Unfit("there is no argument `\(other.name)`")
    }
  }

  func value(_ place: Int, _ name: String) -> Value? {
    place < plain.count ? plain[place] : named.first { $0.name == name }?.value
  }

  /// A text; absent where it is not given, or none.
  func text(_ place: Int, _ name: String) throws(Unfit) -> String? {
    switch value(place, name) {
    case nil, .some(.none): return nil
    case .some(.string(let text)): return text
    case .some(let other): throw Unfit("`\(name)` is \(other.kind), expected a string")
    }
  }

  func int(_ place: Int, _ name: String, absent: Int) throws(Unfit) -> Int {
    switch value(place, name) {
    case nil, .some(.none): return absent
    case .some(let value):
      guard let number = value.integer else { throw Unfit("`\(name)` is \(value.kind), expected a whole number") }
      return number
    }
  }

  func flag(_ place: Int, _ name: String) -> Bool { value(place, name)?.isTrue ?? false }

  func required(_ place: Int, _ name: String) throws(Unfit) -> Value {
    guard let value = value(place, name) else { throw Unfit("the argument `\(name)` is missing") }
    return value
  }
}
