/// Any name of a variant is a file's name, and its own.
import Foundation
import TestSupport
import Testing

@testable import Artifacts

@Suite struct FileNameTests {
  @Test func `names that a folder can hold stay as they are`() {
    for name in ["student[tau=0.1,K=4]", "s[lora={r: 8}]", "문제[유형=교정형]", "a b", "x[m=\"1\"]"] {
      #expect(fileName(for: name) == name)
    }
  }

  @Test func `every other name becomes one that a folder can hold, and no two the same`() throws {
    let names = [
      "", ".", "..", ".hidden", "a/b", "a_b", "a\nb", "a b\u{7}", "x/../../y", "org/base", "org_base", "é", "e\u{301}",
      "\u{301}a",
      String(repeating: "한", count: 500), String(repeating: "한", count: 501), String(repeating: "x", count: 201),
    ]
    let folder = try ScratchFolder()
    for name in names { try folder.write(name, to: fileName(for: name) + ".12.job.json") }
    #expect(try FolderScan.names(in: folder.url).count == names.count)
    for name in names {
      let file = folder.url.appending(path: fileName(for: name) + ".12.job.json")
      #expect(try Array(Data(contentsOf: file)) == Array(name.utf8))
    }
    #expect(fileName(for: "a/b").hasPrefix("_a_b-"))
  }
}
