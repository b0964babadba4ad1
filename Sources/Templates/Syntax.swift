/// What a template consists of once it is read.

struct Expression {
  indirect enum Kind {
    case constant(Value)
    case name(String)
    case list([Expression], isTuple: Bool)
    case dictionary([(key: Expression, value: Expression)])
    case attribute(Expression, String)
    case item(Expression, Expression)
    case slice(Expression, from: Expression?, to: Expression?, step: Expression?)
    case call(Expression, Arguments)
    /// The value is absent within a filter block.
    case filter(Expression, String, Arguments)
    case test(Expression, String, Arguments, isNegated: Bool)
    case unary(String, Expression)
    case binary(String, Expression, Expression)
    case comparison(Expression, [(symbol: String, right: Expression)])
    case condition(Expression, then: Expression, otherwise: Expression?)
  }
  let kind: Kind
  let offset: Int
  /// The height of the tree below.
  let depth: Int
}

struct Arguments {
  var plain: [Expression] = []
  var named: [(name: String, value: Expression)] = []
}

/// What a value is given to.
indirect enum Target {
  case name(String)
  /// `ns.attribute` of a namespace.
  case attribute(String, String)
  case tuple([Target])
}

struct Statement {
  indirect enum Kind {
    case text(String)
    case output(Expression)
    case condition([(test: Expression, body: [Statement])], otherwise: [Statement])
    case loop(Loop)
    case assignment(Target, Expression)
    /// `{% set name %}…{% endset %}`, filtered by what stands after the name.
    case capture(Target, [Statement], filters: (Expression)?)
    case macro(Macro)
    case filtered(Expression, [Statement])
    case skip(isBreak: Bool)
  }
  let kind: Kind
  let offset: Int
}

struct Loop {
  let target: Target
  let over: Expression
  let condition: Expression?
  let body, otherwise: [Statement]
  let isRecursive: Bool
}

struct Macro {
  let name: String
  let parameters: [(name: String, value: Expression?)]
  let body: [Statement]
}
