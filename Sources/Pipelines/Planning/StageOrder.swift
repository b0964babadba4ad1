/// Puts stages in an order that can run, and finds the cycles that have none.

/// - Parameter dependencies: for each stage, the stages it takes inputs from, by their place in the file.
/// - Returns: places in an order that can run, the file's order wherever that is free; and every cycle, each a list
///   of places of which each depends on the next and the last on the first.
func orderStages(_ dependencies: [[Int]]) -> (order: [Int], cycles: [[Int]]) {
  var waiting = dependencies.map(\.count)
  var dependents = Array(repeating: [Int](), count: dependencies.count)
  for (stage, needed) in dependencies.enumerated() {
    for other in needed { dependents[other].append(stage) }
  }
  var order: [Int] = []
  var cycles: [[Int]] = []
  var done = Array(repeating: false, count: dependencies.count)
  var ready = waiting.indices.filter { waiting[$0] == 0 }
  while true {
    while !ready.isEmpty {
      var next: [Int] = []
      for stage in ready.sorted() {
        done[stage] = true
        order.append(stage)
        for other in dependents[stage] {
          waiting[other] -= 1
          if waiting[other] == 0 && !done[other] { next.append(other) }
        }
      }
      ready = next
    }
    // What is left waits for a cycle: name one, take it out, and see what then can go on.
    guard let start = done.firstIndex(of: false) else { return (order, cycles) }
    var path = [start]
    var place = [start: 0]
    while let next = dependencies[path[path.count - 1]].first(where: { !done[$0] }) {
      if let first = place[next] {
        path.removeFirst(first)
        break
      }
      place[next] = path.count
      path.append(next)
    }
    cycles.append(path)
    for stage in path { done[stage] = true }
    for stage in path {
      for other in dependents[stage] where !done[other] {
        waiting[other] -= 1
        if waiting[other] == 0 { ready.append(other) }
      }
    }
  }
}
