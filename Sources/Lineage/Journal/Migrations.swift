/// The tables. A migration that was shipped never changes; a later one is appended.
///
/// History, which nothing ever deletes: pipeline, run, variant, stage_run, artifact, artifact_edge, metric, event,
/// publication. What people say of runs: pin, tag, and `note` of run. Cache, which may be emptied: key_component, result, result_output, file_stamp, continuation, collection_mark. What
/// lives in the store besides outputs are the states in `continuation`: removing a row gives up its artifact, and nothing
/// else.
import GRDB

extension DatabaseMigrator {
  static let lineage: DatabaseMigrator = {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("001-tables") { db in
      try db.execute(
        sql: """
          CREATE TABLE pipeline (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            file TEXT NOT NULL,
            UNIQUE (name, file)
          );
          CREATE TABLE run (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            pipeline INTEGER NOT NULL REFERENCES pipeline (id),
            state TEXT NOT NULL,          -- running, done, failed, waited too long, interrupted
            started TEXT NOT NULL,        -- UTC, as everywhere
            ended TEXT,
            host TEXT NOT NULL,
            pid INTEGER NOT NULL
          );
          CREATE TABLE stage_run (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES run (id),
            stage TEXT NOT NULL,
            kind TEXT NOT NULL,
            state TEXT NOT NULL,          -- running, ran, cached, failed, skipped, interrupted
            key TEXT,
            attempt INTEGER NOT NULL DEFAULT 0,
            started TEXT NOT NULL,
            ended TEXT,
            host TEXT NOT NULL,
            error TEXT,
            origin INTEGER REFERENCES stage_run (id),  -- of a cached one: what made its outputs
            UNIQUE (run, stage)
          );
          CREATE INDEX stage_run_stage ON stage_run (stage);
          CREATE TABLE artifact (
            digest TEXT PRIMARY KEY,
            bytes INTEGER NOT NULL,
            kind TEXT NOT NULL            -- file, folder
          ) WITHOUT ROWID;
          CREATE TABLE artifact_edge (
            stage_run INTEGER NOT NULL REFERENCES stage_run (id),
            port TEXT NOT NULL,
            direction TEXT NOT NULL,      -- in, out
            digest TEXT NOT NULL REFERENCES artifact (digest),
            path TEXT,                    -- of an input that is not another stage's
            PRIMARY KEY (stage_run, direction, port)
          ) WITHOUT ROWID;
          CREATE INDEX artifact_edge_digest ON artifact_edge (digest, direction);
          CREATE TABLE metric (
            stage_run INTEGER NOT NULL REFERENCES stage_run (id),
            name TEXT NOT NULL,
            step INTEGER,                 -- absent: the stage's final value
            value REAL                    -- absent: not a number
          );
          CREATE INDEX metric_stage_run ON metric (stage_run, name, step);
          CREATE TABLE event (
            id INTEGER PRIMARY KEY,
            run INTEGER NOT NULL REFERENCES run (id),
            stage TEXT,
            time TEXT NOT NULL,
            kind TEXT NOT NULL,           -- failure, warning
            message TEXT NOT NULL
          );
          CREATE INDEX event_run ON event (run);
          CREATE TABLE publication (
            id INTEGER PRIMARY KEY,
            run INTEGER NOT NULL REFERENCES run (id),
            stage TEXT NOT NULL,
            target TEXT NOT NULL,
            content TEXT NOT NULL,        -- digest of what was to be there
            digest TEXT NOT NULL          -- digest of what lay there afterwards
          );
          CREATE INDEX publication_target ON publication (target);
          CREATE TABLE pin (run INTEGER PRIMARY KEY REFERENCES run (id));

          CREATE TABLE key_component (
            key TEXT NOT NULL,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            value TEXT NOT NULL,          -- JSON
            digest TEXT NOT NULL,         -- of value
            PRIMARY KEY (key, position)
          ) WITHOUT ROWID;
          CREATE TABLE result (
            key TEXT PRIMARY KEY,
            stage_run INTEGER NOT NULL REFERENCES stage_run (id)
          ) WITHOUT ROWID;
          CREATE TABLE result_output (
            key TEXT NOT NULL REFERENCES result (key) ON DELETE CASCADE,
            port TEXT NOT NULL,
            digest TEXT NOT NULL REFERENCES artifact (digest),
            PRIMARY KEY (key, port)
          ) WITHOUT ROWID;
          CREATE TABLE file_stamp (
            device INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            size INTEGER NOT NULL,
            modified INTEGER NOT NULL,    -- nanoseconds since 1970
            changed INTEGER NOT NULL,     -- nanoseconds since 1970
            digest TEXT NOT NULL,
            PRIMARY KEY (device, inode)
          ) WITHOUT ROWID;
          CREATE TABLE continuation (
            key TEXT PRIMARY KEY,         -- without the parameters that extend
            digest TEXT NOT NULL REFERENCES artifact (digest)
          ) WITHOUT ROWID;
          """)
    }
    // Different stages may make the same bytes: what a stage used is the output that the pipeline file names.
    migrator.registerMigration("002-flow") { db in
      try db.execute(
        sql: """
          ALTER TABLE artifact_edge ADD COLUMN source TEXT;  -- of an input that is another stage's: stage.port
          CREATE VIEW flow AS                                -- which stage_run made what another one used, at its port
          SELECT made.stage_run AS maker, used.stage_run AS user, used.port
          FROM artifact_edge AS used
            JOIN artifact_edge AS made ON made.digest = used.digest AND made.direction = 'out'
            JOIN stage_run ON stage_run.id = made.stage_run
          WHERE used.direction = 'in' AND used.path IS NULL
            AND stage_run.stage || '.' || made.port = coalesce(used.source, stage_run.stage || '.' || made.port);
          """)
    }
    // A matrix makes several stages of one: each says which one it is of, and what the matrix says of it.
    migrator.registerMigration("003-variants") { db in
      try db.execute(
        sql: """
          ALTER TABLE stage_run ADD COLUMN base TEXT;         -- the stage as the pipeline file names it
          ALTER TABLE stage_run ADD COLUMN coordinates TEXT;  -- JSON object in the matrix's order; absent: none
          UPDATE stage_run SET base = stage;
          ALTER TABLE run ADD COLUMN version TEXT;            -- of retort
          ALTER TABLE run ADD COLUMN revision TEXT;           -- commit of the project
          ALTER TABLE run ADD COLUMN comparison TEXT;         -- JSON: what an experiment's `compare` says
          """)
    }
    // For provenance that names sources by where they lie in the project, and for those who watch a run.
    migrator.registerMigration("004-run-root") { db in
      try db.execute(
        sql: """
          ALTER TABLE run ADD COLUMN root TEXT;               -- the project's root
          ALTER TABLE run ADD COLUMN stages INTEGER;          -- how many it is to bring to an end
          """)
    }
    // What stages needed, for forecasts. Cached ones, which are the most, do not weigh on the index.
    migrator.registerMigration("004-usage") { db in
      try db.execute(
        sql: """
          ALTER TABLE stage_run ADD COLUMN peak_memory INTEGER;  -- bytes: of the worker, or the largest program it ran
          CREATE INDEX stage_run_executed ON stage_run (kind, id) WHERE state IN ('ran', 'failed', 'interrupted');
          """)
    }
    migrator.registerMigration("004-collection") { db in
      try db.execute(
        sql: """
          CREATE TABLE collection_mark (       -- cache: what nothing refers to, for `gc`
            area TEXT NOT NULL,                -- object (or the folder of that digest), work, log
            name TEXT NOT NULL,                -- digest, key, run
            since TEXT NOT NULL,               -- when that was first seen
            PRIMARY KEY (area, name)
          ) WITHOUT ROWID;
          ALTER TABLE file_stamp ADD COLUMN recorded TEXT;
          CREATE INDEX stage_run_key ON stage_run (key);
          CREATE INDEX result_output_digest ON result_output (digest);
          """)
    }
    // Rows of `score` and `embed` are taken from results of the same function over other records.
    migrator.registerMigration("004-reuse") { db in
      try db.execute(
        sql: """
          ALTER TABLE result ADD COLUMN function TEXT;  -- the key without the records; absent: not record by record
          CREATE INDEX result_function ON result (function, stage_run) WHERE function IS NOT NULL;
          """)
    }
    // Several final states of one training, each of another number of epochs; before, nothing wrote to the table.
    migrator.registerMigration("004-continuation") { db in
      try db.execute(
        sql: """
          DROP TABLE continuation;
          CREATE TABLE continuation (
            key TEXT NOT NULL,            -- of the stage without the parameter that extends (epochs)
            length INTEGER NOT NULL,      -- that parameter's value: a longer run goes on from there
            digest TEXT NOT NULL REFERENCES artifact (digest),  -- a folder: state, events.jsonl
            stage_run INTEGER REFERENCES stage_run (id),        -- whose state it is
            PRIMARY KEY (key, length)
          ) WITHOUT ROWID;
          """)
    }
    // Runs are found again by what people call them, and by what they measured.
    migrator.registerMigration("005-names") { db in
      try db.execute(
        sql: """
          ALTER TABLE run ADD COLUMN label TEXT;     -- of `run --name`; stands for the latest run that has it
          ALTER TABLE run ADD COLUMN note TEXT;
          ALTER TABLE run ADD COLUMN headline TEXT;  -- JSON: list of stage.metric
          CREATE INDEX run_label ON run (label) WHERE label IS NOT NULL;
          CREATE TABLE tag (
            name TEXT PRIMARY KEY,
            run INTEGER NOT NULL REFERENCES run (id)
          ) WITHOUT ROWID;
          CREATE INDEX tag_run ON tag (run);
          CREATE TABLE variant (               -- of runs with a matrix that ended (see recordVariants): which stages belong together
            run INTEGER NOT NULL REFERENCES run (id),
            part TEXT NOT NULL,                -- coordinates of stages that belong to it; empty: of those without any
            coordinates TEXT NOT NULL,         -- the variant's own
            PRIMARY KEY (run, part, coordinates)
          ) WITHOUT ROWID;
          CREATE INDEX metric_final ON metric (name, value, stage_run) WHERE step IS NULL;
          CREATE INDEX key_component_parameter ON key_component (name, value) WHERE name >= 'seed' AND name < 'with/';
          UPDATE run SET headline = json_array(json_extract(comparison, '$.metrics[0]'))
            WHERE json_array_length(comparison, '$.metrics') > 0;
          UPDATE run SET headline = (SELECT nullif(json_group_array(DISTINCT base || '.ndcg@10'), '[]')
              FROM stage_run WHERE stage_run.run = run.id AND kind = 'evaluate')
            WHERE headline IS NULL;
          """)
      for run in try Int.fetchAll(db, sql: "SELECT DISTINCT run FROM stage_run WHERE coordinates IS NOT NULL") {
        try db.recordVariants(of: run)
      }
    }
    // A run that goes on where another one was cut off.
    migrator.registerMigration("005-run-continues") { db in
      try db.execute(
        sql: """
          ALTER TABLE run ADD COLUMN continues INTEGER REFERENCES run (id);
          ALTER TABLE run ADD COLUMN cut_off TEXT;            -- why that one was
          """)
    }
    // Names of models on a hub, each resolved once until somebody asks again.
    migrator.registerMigration("006-hub") { db in
      try db.execute(
        sql: """
          CREATE TABLE hub_model (
            repository TEXT NOT NULL,           -- org/name
            revision TEXT NOT NULL,             -- as the pipeline file names it; empty: none
            stands_for TEXT NOT NULL,           -- the commit
            details TEXT NOT NULL,              -- JSON: the files that are used, their sizes and digests
            recorded TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
            PRIMARY KEY (repository, revision)
          ) WITHOUT ROWID;
          """)
    }
    return migrator
  }()
}
