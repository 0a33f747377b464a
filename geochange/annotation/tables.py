"""The tables of a project. Edits and operations are append-only: triggers see to it."""

from __future__ import annotations

VERSION = 2

TABLES = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE pair(
    id INTEGER PRIMARY KEY, before TEXT NOT NULL, after TEXT NOT NULL, settings TEXT NOT NULL,
    registration TEXT, crs_wkt TEXT, affine TEXT NOT NULL, height INTEGER NOT NULL,
    width INTEGER NOT NULL, inputs TEXT NOT NULL, stretch TEXT NOT NULL);

CREATE TABLE schema(version INTEGER PRIMARY KEY, content TEXT NOT NULL, created TEXT NOT NULL);

CREATE TABLE tile(
    id INTEGER PRIMARY KEY, pair_id INTEGER NOT NULL REFERENCES pair, col INTEGER NOT NULL,
    row INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'todo', flag INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '', dx REAL NOT NULL DEFAULT 0, dy REAL NOT NULL DEFAULT 0,
    place INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', uncertainty REAL,
    stratum TEXT NOT NULL DEFAULT '', assigned_to TEXT NOT NULL DEFAULT '',
    annotator TEXT NOT NULL DEFAULT '', updated TEXT NOT NULL DEFAULT '',
    rev INTEGER NOT NULL DEFAULT 0, author TEXT NOT NULL DEFAULT '',
    review TEXT NOT NULL DEFAULT '', remark TEXT NOT NULL DEFAULT '',
    probe_of INTEGER REFERENCES tile);

CREATE TABLE model_run(
    id INTEGER PRIMARY KEY, pair_id INTEGER NOT NULL REFERENCES pair, name TEXT NOT NULL,
    folder TEXT NOT NULL, weights_sha256 TEXT NOT NULL, params TEXT NOT NULL, threshold REAL,
    created TEXT NOT NULL, candidates INTEGER NOT NULL, left_out INTEGER NOT NULL);

CREATE TABLE candidate(
    id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES model_run,
    tile_id INTEGER NOT NULL REFERENCES tile, geom TEXT NOT NULL, class_id INTEGER NOT NULL,
    score REAL, score_max REAL, pixels INTEGER NOT NULL,
    minx REAL NOT NULL, miny REAL NOT NULL, maxx REAL NOT NULL, maxy REAL NOT NULL);
CREATE INDEX candidate_tile ON candidate(run_id, tile_id);

CREATE TABLE annotation(
    id TEXT PRIMARY KEY, tile_id INTEGER NOT NULL REFERENCES tile, geom TEXT NOT NULL,
    class_id INTEGER NOT NULL, verdict TEXT NOT NULL, source TEXT NOT NULL,
    candidate_id INTEGER REFERENCES candidate, confidence INTEGER, note TEXT NOT NULL,
    annotator TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
    schema_version INTEGER NOT NULL, view_mode TEXT NOT NULL, seconds REAL NOT NULL,
    deleted INTEGER NOT NULL, minx REAL NOT NULL, miny REAL NOT NULL, maxx REAL NOT NULL,
    maxy REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX annotation_tile ON annotation(tile_id);
CREATE INDEX annotation_candidate ON annotation(candidate_id);

CREATE TABLE edit(
    seq INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, ts TEXT NOT NULL,
    annotator TEXT NOT NULL, session TEXT NOT NULL, kind TEXT NOT NULL, undoes TEXT,
    view_mode TEXT NOT NULL, seconds REAL NOT NULL, reply TEXT NOT NULL);
CREATE INDEX edit_annotator ON edit(annotator, seq);

CREATE TABLE op(
    seq INTEGER PRIMARY KEY, edit_seq INTEGER NOT NULL REFERENCES edit, tile_id INTEGER NOT NULL,
    target TEXT NOT NULL, target_id TEXT NOT NULL, before_json TEXT, after_json TEXT);
CREATE INDEX op_edit ON op(edit_seq);
CREATE INDEX op_tile ON op(tile_id);
CREATE INDEX tile_probe ON tile(probe_of) WHERE probe_of IS NOT NULL;

CREATE TABLE lease(
    tile_id INTEGER PRIMARY KEY REFERENCES tile, annotator TEXT NOT NULL, session TEXT NOT NULL,
    expires REAL NOT NULL);

CREATE TABLE event(
    seq INTEGER PRIMARY KEY, ts TEXT NOT NULL, annotator TEXT NOT NULL, kind TEXT NOT NULL,
    detail TEXT NOT NULL);

CREATE TABLE truth(tile_id INTEGER PRIMARY KEY REFERENCES tile, geom TEXT NOT NULL);

CREATE TABLE setting(annotator TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;

CREATE TRIGGER edit_stays BEFORE UPDATE ON edit BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER edit_is_kept BEFORE DELETE ON edit BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER op_stays BEFORE UPDATE ON op BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER op_is_kept BEFORE DELETE ON op BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER candidate_stays BEFORE UPDATE ON candidate
    BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""

STEPS = {
    1: """
ALTER TABLE tile ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE tile ADD COLUMN review TEXT NOT NULL DEFAULT '';
ALTER TABLE tile ADD COLUMN remark TEXT NOT NULL DEFAULT '';
ALTER TABLE tile ADD COLUMN probe_of INTEGER REFERENCES tile;
UPDATE tile SET author = annotator WHERE state NOT IN ('todo', 'returned');
CREATE INDEX op_tile ON op(tile_id);
CREATE INDEX tile_probe ON tile(probe_of) WHERE probe_of IS NOT NULL;
CREATE TABLE truth(tile_id INTEGER PRIMARY KEY REFERENCES tile, geom TEXT NOT NULL);
""",
}
"""What brings the tables of a version to those of the next."""
