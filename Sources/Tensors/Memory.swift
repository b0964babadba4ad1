/// Memory of tensors: blocks that a device lends out, and how much of it is out.
import Synchronization

/// A block of one device's memory, given back when the last tensor lets go of it. What its address means only that
/// device knows.
package final class Memory: Sendable {
  package let device: any Device
  package let address: UInt
  package let bytes: Int

  package init(of device: any Device, at address: UInt, bytes: Int) {
    (self.device, self.address, self.bytes) = (device, address, bytes)
    device.meter.lend(bytes)
  }

  deinit {
    device.meter.takeBack(bytes)
    device.free(address, bytes: bytes)
  }
}

/// Counts the bytes that a device has lent out.
package final class Meter: Sendable {
  private let bytes = Mutex((inUse: 0, peak: 0))

  package init() {}

  /// Bytes lent out now.
  package var inUse: Int { bytes.withLock { $0.inUse } }
  /// Most bytes that were lent out at once since the last `resetPeak()`.
  package var peak: Int { bytes.withLock { $0.peak } }

  package func resetPeak() { bytes.withLock { $0.peak = $0.inUse } }

  fileprivate func lend(_ count: Int) {
    bytes.withLock {
      $0.inUse += count
      $0.peak = max($0.peak, $0.inUse)
    }
  }

  fileprivate func takeBack(_ count: Int) { bytes.withLock { $0.inUse -= count } }
}
