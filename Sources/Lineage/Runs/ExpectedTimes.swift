/// What a run's stages took when they were last made: from that, how long what is left of it will take.
import Foundation
import GRDB

extension Journal {
  /// Gives the seconds of each stage, by name, as the latest earlier run of the same pipeline found or made them, of those
  /// that were to bring as many stages to an end; nothing if there is none.
  package func expectedSeconds(ofRun run: Int) throws -> [String: Double] {
    try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT used.stage, made.started, made.ended FROM stage_run AS used
            JOIN stage_run AS made ON made.id = coalesce(used.origin, used.id)
          WHERE made.state = 'ran' AND used.run = (
            SELECT earlier.id FROM run AS own JOIN run AS earlier USING (pipeline, stages)
            WHERE own.id = ?1 AND earlier.id < ?1 AND earlier.state = 'done' ORDER BY earlier.id DESC LIMIT 1)
          """, arguments: [run])
      return Dictionary(uniqueKeysWithValues: rows.compactMap { row in row.seconds.map { (row["stage"], $0) } })
    }
  }
}
