/// What a data file is: its encoding, format, number of records, and what stands in its columns.
import Foundation
import JSONText

package struct FileLook: Sendable {
  package let url: URL
  package let encoding: String
  /// What is unusual in a table's form.
  package let remarks: [String]
  package let format: RecordFormat
  package let records: Int
  /// In the order in which they are met; of nested objects by dotted path, and of the first object in a list too.
  package let columns: [ColumnProfile]
  /// A JSON document that is no list of records: a grammar book perhaps. It has no columns.
  package let isTree: Bool
  private let list: String?

  /// - Parameter list: the key of the records, where a JSON document holds several lists.
  init(_ url: URL, list: String? = nil) throws {
    let file = try TextFile(url)
    self.url = url
    self.list = list
    encoding = file.encoding
    remarks = tableRemarks(of: file)
    format = file.utf8.withUnsafeBytes { detectFormat(url, $0) }
    var columns: [ColumnProfile] = []
    var places: [String: Int] = [:]
    var records = 0
    do {
      try forEachRecord(of: file, format: format, list: list) { record in
        records += 1
        for leaf in record.value.leaves(at: nil, depth: 0, isInList: false) {
          if places[leaf.name] == nil {
            places[leaf.name] = columns.count
            columns.append(ColumnProfile(name: leaf.name, isInList: leaf.isInList))
          }
          if let place = places[leaf.name] { columns[place].add(leaf.value) }
        }
      }
      isTree = false
    } catch {
      // What is no list of records may still be a book.
      guard try list == nil && jsonTree(of: file, format: format) != nil else { throw error }
      (columns, records, isTree) = ([], 0, true)
    }
    self.columns = columns
    self.records = records
  }

  subscript(name: String) -> ColumnProfile? { columns.first { $0.name == name } }

  /// What stands at any path, also at one that is no column; `nil` if no record has it.
  func profile(at path: String) throws -> ColumnProfile? {
    if let column = self[path] { return column }
    var profile = ColumnProfile(name: path, isInList: true)
    try forEachRecord(of: TextFile(url), format: format, list: list) { record in
      if let value = record.value.at(path: path) { profile.add(value) }
    }
    return profile.filled > 0 ? profile : nil
  }

  /// Whether a column can be one of ids or names: there in every record, and different where the texts are.
  func identifies(_ column: ColumnProfile, texts: String?) throws -> Bool {
    guard column.filled == records, !column.hasLists, !column.hasObjects else { return false }
    if column.distinct == records { return true }
    guard let texts else { return false }
    var known: [String: JSONValue] = [:]
    var isUnique = true
    try forEachRecord(of: TextFile(url), format: format, list: list) { record in
      guard isUnique, let name = record.value.at(path: column.name)?.scalarText else { return }
      let text = record.value.at(path: texts) ?? .null
      isUnique = known[name].map { $0 == text } ?? true
      known[name] = text
    }
    return isUnique
  }
}

package struct ColumnProfile: Sendable {
  package let name: String
  /// Whether it is a path into a list, which only names of passages are looked for in.
  let isInList: Bool
  /// Records in which it is neither absent, null nor blank.
  package private(set) var filled = 0
  /// At most three, different ones.
  package private(set) var examples: [String] = []
  /// Whether some values are lists.
  private(set) var hasLists = false
  /// Whether some values are objects, or lists of these.
  private(set) var hasObjects = false
  private var areLabels = true
  private var areNumbers = true
  /// Of some records, each value of a list.
  private(set) var sample: [String] = []
  private var hashes: Set<Int> = []
  private var characters = 0
  private var texts = 0

  init(name: String, isInList: Bool) {
    self.name = name
    self.isInList = isInList
  }

  package var distinct: Int { hashes.count }
  package var meanLength: Double { texts == 0 ? 0 : Double(characters) / Double(texts) }
  func contains(_ value: String) -> Bool { hashes.contains(value.hashValue) }
  /// Whether every value is a truth value or a number from 0 to 1.
  var isLabel: Bool { areLabels && texts > 0 && !hasObjects && !hasLists }
  var isText: Bool { !hasObjects && !areNumbers && texts > 0 }

  mutating func add(_ value: JSONValue) {
    switch value {
    case .null: return
    case .array(let elements):
      guard !elements.isEmpty else { return }
      hasLists = true
      filled += 1
      show(value.text())
      for element in elements {
        if let text = element.scalarText { addText(text) } else { hasObjects = true }
      }
    case .object:
      hasObjects = true
      filled += 1
      show(value.text())
    case .bool, .number, .string:
      guard let text = value.scalarText, !text.isBlank else { return }
      filled += 1
      show(text)
      addText(text)
    }
  }

  private mutating func show(_ text: String) {
    if examples.count < 3 && !examples.contains(text) { examples.append(text) }
  }

  private mutating func addText(_ text: String) {
    texts += 1
    characters += text.count
    hashes.insert(text.hashValue)
    if sample.count < 1000 { sample.append(text) }
    let number = Double(text)
    areNumbers = areNumbers && number != nil
    let isTruth = ["true", "false", "yes", "no"].contains(text.lowercased())
    areLabels = areLabels && (number.map { (0...1).contains($0) } ?? isTruth)
  }
}

extension JSONValue {
  /// The values in an object, objects in it by dotted path; lists are values, and the first object of one is looked into.
  fileprivate func leaves(
    at path: String?, depth: Int, isInList: Bool
  ) -> [(name: String, value: JSONValue, isInList: Bool)] {
    if case .object(let members) = self, depth < 4 {
      return members.flatMap { member in
        let name = path.map { "\($0).\(member.key)" } ?? member.key
        return member.value.leaves(at: name, depth: depth + 1, isInList: isInList)
      }
    }
    guard let path else { return [] }
    let first = isInList ? nil : elements?.first.flatMap { $0.members == nil ? nil : $0 }
    return [(path, self, isInList)] + (first?.leaves(at: "\(path).0", depth: depth + 1, isInList: true) ?? [])
  }
}
