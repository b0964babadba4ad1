/// Where a stage's time went: what `retort run --profile` asks for. It enters neither keys nor results.

package struct StageProfile: Hashable, Sendable, Codable {
  package struct Operation: Hashable, Sendable, Codable {
    package var name: String
    package var calls: Int
    /// Of the thread that computes; those of all operations and `other` sum up to the stage's.
    package var seconds: Double
    /// Of threads that work ahead of it.
    package var secondsBeside: Double
    /// Billions a second; absent where nobody counts them.
    package var gflops: Double?
    package var gigabytes: Double?

    package init(
      name: String, calls: Int, seconds: Double, secondsBeside: Double = 0, gflops: Double? = nil,
      gigabytes: Double? = nil
    ) {
      self.name = name
      self.calls = calls
      self.seconds = seconds
      self.secondsBeside = secondsBeside
      self.gflops = gflops
      self.gigabytes = gigabytes
    }
  }
  package var seconds: Double
  /// The longest first.
  package var operations: [Operation]

  package init(seconds: Double, operations: [Operation]) {
    self.seconds = seconds
    self.operations = operations
  }
}

/// Whoever can tell where a stage's time goes. A process profiles one stage at a time.
package protocol StageProfiler: Sendable {
  func begin()
  func end() -> StageProfile
}
