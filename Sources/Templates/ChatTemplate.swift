/// Chat templates: the part of Jinja that models' templates use, with transformers' settings and functions.
import JSONText

package struct ChatTemplate: Sendable {
  private let source: [Unicode.Scalar]
  private let program: Program

  /// `@unchecked`: nothing changes a program after it is read; constants in it hold no frames.
  private struct Program: @unchecked Sendable { let statements: [Statement] }

  /// Throws a `TemplateError` where the text is no template, or has what is not supported.
  package init(_ text: String) throws(TemplateError) {
    source = Lexer.lines(of: text)
    do throws(Fault) {
      var parser = Parser(try Lexer.tokens(of: source))
      program = Program(statements: try parser.template())
    } catch { throw error.located(in: source) }
  }

  /// Fills the template. Throws a `TemplateError` where that cannot be done, or where the template itself refuses.
  /// - Parameter time: absent: templates find no function `strftime_now`, and most have a date of their own.
  package func fill(_ variables: [JSONMember], time: LocalTime? = nil) throws(TemplateError) -> String {
    let frame = Frame()
    for variable in variables { frame.set(variable.key, Value(variable.value)) }
    var evaluator = Evaluator(frame, time: time)
    do throws(Fault) { _ = try evaluator.run(program.statements) } catch { throw error.located(in: source) }
    return evaluator.output
  }
}
