/// The pool and the allocator.
import Synchronization
import Testing

@testable import Tensors

struct EngineTests {
  @Test(arguments: [1, 2, 5])
  func `every piece is computed once, by a worker of the pool`(threads: Int) {
    let engine = Engine(threads: threads)
    for pieces in [0, 1, 2, 100] {
      let counts = Mutex([Int](repeating: 0, count: pieces))
      let workers = Mutex(Set<Int>())
      engine.parallel(pieces) { piece, worker in
        counts.withLock { $0[piece] += 1 }
        _ = workers.withLock { $0.insert(worker) }
      }
      #expect(counts.withLock { $0.allSatisfy { $0 == 1 } })
      #expect(workers.withLock { $0.allSatisfy { (0..<threads).contains($0) } })
    }
  }

  @Test func `jobs that several threads post all run, one after the other`() async {
    let engine = Engine(threads: 3)
    let sums = await withTaskGroup(of: Int.self) { group in
      for poster in 0..<4 {
        group.addTask {
          (0..<300).reduce(0) { total, round in
            let sum = Atomic(0)
            engine.parallel(1 + round % 7) { piece, _ in _ = sum.wrappingAdd(poster + piece, ordering: .relaxed) }
            return total + sum.load(ordering: .relaxed)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }.sorted()
    }
    // Σ over rounds of n·poster + (0 + 1 + … + n - 1), n = 1 + round mod 7.
    let expected = (0..<4).map { poster in
      (0..<300).reduce(0) { $0 + (1 + $1 % 7) * poster + ($1 % 7) * (1 + $1 % 7) / 2 }
    }
    #expect(sums == expected.sorted())
  }

  @Test func `freed memory is lent again, merged with its neighbours`() {
    let allocator = Allocator()
    var blocks: [Storage?] = (0..<10).map { _ in allocator.allocate(bytes: 1000) }
    #expect(allocator.bytesInUse == 10 * 1024)
    #expect(blocks.allSatisfy { UInt(bitPattern: $0!.base) % 64 == 0 })
    let mapped = allocator.mappedBytes
    for index in [3, 5, 4, 0, 9] { blocks[index] = nil }
    let large = allocator.allocate(bytes: 3 * 1024)
    #expect(UInt(bitPattern: large.base) > UInt(bitPattern: blocks[2]!.base))
    #expect(UInt(bitPattern: large.base) < UInt(bitPattern: blocks[6]!.base))
    #expect(allocator.peakBytes == 10 * 1024)
    #expect(allocator.mappedBytes == mapped)
  }

  @Test func `blocks outlive the engine that lent them`() {
    let tensor = Engine(threads: 2).tensor([1, 2, 3], [3])
    #expect(tensor.array == [1, 2, 3])
  }

  @Test func `the profile names what decides the bits`() {
    let profile = NumericsProfile.current(precision: .fp32)
    // OpenBLAS's version and core stand before the class that does the rest.
    #expect(Kernels.names.contains { profile.instructions.split(separator: " ").last == $0[...] })
    #expect(profile.description == "engine \(NumericsProfile.revision), fp32, \(profile.instructions)")
  }
}
