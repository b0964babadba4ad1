/// What bash itself makes of commands into which values were written, wherever they stand.
import Foundation
import TestSupport
import Testing

@testable import Pipelines

@Suite struct ShellTextTests {
  /// Each would run something, or leave its place, somewhere.
  private static let values = [
    "plain", "two  words", "", "a'b", "a\"b", "a\\", "\\", "$HOME", "$(touch OWNED)", "`touch OWNED`", "a\ntouch OWNED",
    "'; touch OWNED; '", "\"; touch OWNED; \"", "'\u{301}; touch OWNED #", "!x", "~", "*", "{a,b}", "a}b", ")", "# a",
    "%s", "-n",
    "x[$(touch OWNED)]", "EOF", "한글\u{308}\"",
  ]

  /// Commands that print the value `${params.k}`, with something before or after it.
  private static let commands: [(command: String, before: String, after: String)] = [
    ("printf %s ${params.k}", "", ""), ("printf %s a${params.k}b", "a", "b"),
    ("printf %s \"a ${params.k} b\"", "a ", " b"),
    ("printf %s \"${params.k}\"", "", ""), ("printf %s '${params.k} $b'", "", " $b"),
    ("printf %s 'a'${params.k}\"b\"", "a", "b"),
    ("printf %s \"$(printf %s ${params.k}; printf x)\"", "", "x"),
    ("printf %s \"$(printf %s \"<${params.k}>\"; printf x)\"", "<", ">x"),
    ("printf %s \"$(printf %s '${params.k}' \"$(printf %s \"b\")\")$(printf x)\"", "", "bx"),
    ("(printf %s \"${params.k}\")", "", ""),
    ("if [ ${params.k} = ${params.k} ]; then printf %s ${params.k}; fi", "", ""),
    ("x=\"${params.k}\"; printf %s \"$x\"", "", ""),
    ("printf %s ${params.k} # it's \"${params.k}\nprintf x", "", "x"),
    ("# don't ${params.k}\nprintf %s \"#${params.k}\"", "#", ""),
    ("cat <<'EOF'\nit's \"here\nEOF\nprintf %s \"${params.k}\"", "it's \"here\n", ""),
    ("cat <<-E\n\tx\"\n\tE\nprintf %s ${params.k}", "x\"\n", ""),
    ("printf %s $${x:-\"a b}\"}${params.k}", "a b}", ""),
    ("case a in (b) ;; a) printf %s \"${params.k}\";; esac", "", ""),
    ("cat <<< ${params.k}", "", "\n"), ("printf %s $'\\'\"'${params.k}", "'\"", ""),
    ("printf %s \\\"${params.k}\\'", "\"", "'"),
    ("n=$(( 1 << 2 )); printf %s \"$n.${params.k}\"", "4.", ""),
    ("a=(1 2); printf %s \"$${a[1]} ${params.k}\"", "2 ", ""),
    ("[[ ${params.k} == x ]] || printf %s \"${params.k}\"", "", ""),
    ("bash -c 'printf %s \"$1\"' - ${params.k}", "", ""),
    ("bash -c 'printf %s \"$2\"' - -c \"${params.k}\"", "", ""),
    ("printf %s `printf \\\"`\"${params.k}\"", "\"", ""),
    ("printf '%s' \"it's ${params.k}\" && printf %s \"\"", "it's ", ""),
  ]

  private func plan(_ command: String, _ value: String, in folder: ScratchFolder) throws -> Plan {
    func quoted(_ text: String) -> String {
      "\"" + text.unicodeScalars.map { String(format: "\\u%04x", $0.value) }.joined() + "\""
    }
    let yaml = """
      version: 1
      params: {k: \(quoted(value))}
      stages: {a: {cmd: \(quoted(command)), in: {f: ./f}, out: {o: o}}}
      """
    let file = try folder.write(yaml, to: "p.yaml")
    try folder.write("", to: "f")
    return try Plan(file: file, catalog: catalog, workingFolder: folder.url)
  }

  @Test(arguments: commands) func `a value is data for bash wherever it may stand`(
    command: String, before: String, after: String
  ) throws {
    let folder = try ScratchFolder()
    for value in Self.values {
      let text = try #require(try plan(command, value, in: folder).stages[0].command).text(inputs: [:], outputs: [:])
      let output = try folder.write("", to: "output")
      let process = Process()
      process.executableURL = URL(filePath: "/bin/bash")
      process.arguments = ["-euo", "pipefail", "-c", text]
      process.currentDirectoryURL = folder.url
      process.standardOutput = try FileHandle(forWritingTo: output)
      try process.run()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0, "\(text)")
      #expect(Array(try Data(contentsOf: output)) == Array("\(before)\(value)\(after)".utf8), "\(text)")
      #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "OWNED").path), "\(text)")
    }
  }

  @Test(arguments: [
    ("cat <<EOF\n${params.k}\nEOF", "here-document"), ("cat <<-'E' | wc\na\n\t${params.k}\n\tE", "here-document"),
    ("cat << ${params.k}\nx", "ends a here-document"), ("python3 -c \"print('${params.k}')\"", "as an argument"),
    ("env A=1 /usr/bin/perl -e 'print \"${params.k}\"'", "as an argument"),
    ("bash -c \"echo ${params.k}\"", "as an argument"),
    ("bash -euo pipefail -c 'echo ${params.k}'", "as an argument"),
    ("su nobody -c \"echo ${params.k}\"", "as an argument"),
    ("echo `echo ${params.k}`", "$(…)"), ("echo $'${params.k}'", "escapes of its own"),
    ("echo \\${params.k}", "backslash"),
    ("echo \"\\${params.k}\"", "backslash"), ("eval echo ${params.k}", "`eval`"),
    ("ssh host \"cat ${params.k}\"", "`ssh`"),
    ("echo \"$n${params.k}\"", "`$${n}`"), ("echo $n${params.k}", "`$${n}`"),
    ("trap 'echo ${params.k}' EXIT", "`trap`"), ("echo $(( 1 + ${params.k} ))", "no integer"),
    ("(( x = ${params.k} ))", "no integer"),
    ("[[ ${params.k} -gt 1 ]]", "no integer"), ("a[${params.k}]=1", "no integer"),
    ("echo $${a[${params.k}]}", "in ${…}"),
    ("echo \"$${x:-${params.k}}\"", "in ${…}"), ("echo $((${in.f}))", "it is a path"),
    ("echo \"$(case a in a) echo ${params.k};; esac)\"", "`case`"),
  ])
  func `a value where it would be code is refused, with a way to write it`(command: String, reason: String) throws {
    let folder = try ScratchFolder()
    let problems = try #require(throws: Problems.self) { try plan(command, "a b", in: folder) }
    #expect(problems.all.count == 1 && problems.description.contains(reason), "\(problems)")
  }

  @Test(arguments: ["if", "time", "A=1", "function", "x y", "'"])
  func `a value in the place of a command is the command's name`(value: String) throws {
    let folder = try ScratchFolder()
    let text = try plan("true; ${params.k} a", value, in: folder).stages[0].command?.text(inputs: [:], outputs: [:])
    #expect(text == "true; '\(value.replacing("'", with: #"'\''"#))' a")
  }

  @Test func `integers may stand where bash evaluates`() throws {
    let folder = try ScratchFolder()
    let command = "echo $(( 2 * (${params.k} + 1) )); [[ ${params.k} -gt 1 ]]; a[${params.k}]=1"
    let text = try plan(command, "-12", in: folder).stages[0].command?.text(inputs: [:], outputs: [:])
    #expect(text == "echo $(( 2 * (-12 + 1) )); [[ -12 -gt 1 ]]; a[-12]=1")
  }

  @Test func `gathered paths in quotes are words of their own, and the key does not know of quotes`() throws {
    let command = Command(template: [
      .text("cat \""), .input("all", .doubleQuotes), .text("\" '"), .input("all", .singleQuotes), .text("'"),
    ])
    let inputs = ["all[x=1]": URL(filePath: "/a b$"), "all[x=2]": URL(filePath: "/c'd")]
    #expect(command.text(inputs: inputs, outputs: [:]) == #"cat "/a b\$" "/c'd" '/a b$' '/c'\''d'"#)
    #expect(command.canonicalText == #"cat "${in.all}" '${in.all}'"#)
  }
}
