import Basics

/// A random generator for tests that its seed repeats.
package typealias SplitMix = SplitMix64
