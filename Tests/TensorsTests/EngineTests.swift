/// The pool and the allocator.
import Synchronization
import Testing

@testable import CPU
@testable import Tensors

struct EngineTests {
  @Test(arguments: [1, 2, 5])
  func `every piece is computed once, by a worker of the pool`(threads: Int) {
    let engine = CPU(threads: threads)
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
    let engine = CPU(threads: 3)
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
    let cpu = CPU(threads: 1)
    var blocks: [Memory?] = (0..<10).map { _ in cpu.allocate(bytes: 1000) }
    #expect(cpu.meter.inUse == 10 * 1024)
    #expect(blocks.allSatisfy { $0!.address % 64 == 0 })
    let mapped = cpu.mappedBytes
    for index in [3, 5, 4, 0, 9] { blocks[index] = nil }
    let large = cpu.allocate(bytes: 3 * 1024)
    #expect(large.address > blocks[2]!.address && large.address < blocks[6]!.address)
    #expect(cpu.meter.peak == 10 * 1024)
    #expect(cpu.mappedBytes == mapped)
  }

  @Test func `blocks outlive the engine that lent them`() {
    let tensor = CPU(threads: 2).tensor([1, 2, 3], [3])
    #expect(tensor.array == [1, 2, 3])
  }

  @Test func `the profile names what decides the bits`() {
    let profile = CPU(threads: 1).numerics
    // OpenBLAS's version and core stand before the class that does the rest.
    #expect(Kernels.names.contains { profile.instructions.split(separator: " ").last == $0[...] })
    #expect(profile.description == "engine \(NumericsProfile.revision(.fp32)), fp32, \(profile.instructions)")
  }
}
