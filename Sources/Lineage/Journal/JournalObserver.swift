/// Hears what the journal wrote, after it was written: for those who pass a run's history on.
import Foundation
import Scheduling

package protocol JournalObserver: Sendable {
  func began(_ run: RunStart, as number: Int)
  func recorded(_ entries: [JournalEntry], run: Int)
}
