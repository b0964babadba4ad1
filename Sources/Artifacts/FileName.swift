/// Names of variants as file names: any text becomes one, and no two become the same.
import Foundation

/// Gives the name itself where it may stand in a folder as it is. A longer one, or one with signs that a file name or a
/// terminal takes amiss, is cut and has them replaced, and ends in a digest of the whole.
package func fileName(for name: String) -> String {
  let longest = 200  // leaves room for what is put behind, in the 255 bytes that filesystems allow
  let isPlain =
    !name.isEmpty && name.utf8.count <= longest
    && name.unicodeScalars.allSatisfy { $0 != "/" && $0.properties.generalCategory != .control }
    // Names that differ only in how they write a letter are one name to some filesystems.
    && name.utf8.elementsEqual(name.precomposedStringWithCanonicalMapping.utf8) && !name.hasPrefix(".")
  if isPlain { return name }
  var shown = String.UnicodeScalarView()
  for scalar in name.unicodeScalars {
    let next: Unicode.Scalar =
      scalar.properties.isAlphabetic || "0123456789=,.-[]".unicodeScalars.contains(scalar) ? scalar : "_"
    guard String(shown).utf8.count + UTF8.width(next) <= 80 else { break }
    shown.append(next)
  }
  let digest = Digest(of: Data(name.utf8)).description.prefix(12)
  return "_\(String(shown))-\(digest)"
}
