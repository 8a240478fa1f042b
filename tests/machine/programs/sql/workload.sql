-- A workload for SQLite, through its own shell: filling, searching, joining, changing, undoing, indexes,
-- triggers, window functions, full text, JSON, and a check of the whole at the end.
PRAGMA page_size = 4096;
PRAGMA cache_size = 200;
CREATE TABLE number (id INTEGER PRIMARY KEY, value INTEGER, text TEXT, data BLOB);
CREATE TABLE pair (one INTEGER REFERENCES number(id), other INTEGER, PRIMARY KEY (one, other)) WITHOUT ROWID;
CREATE TABLE change (id INTEGER PRIMARY KEY, what TEXT, value INTEGER);
BEGIN;
WITH RECURSIVE step(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM step WHERE i < 20000)
INSERT INTO number SELECT i, (i * 2654435761) % 1000003, printf('%x-%08d', i * 7919 % 65536, i), zeroblob(i % 100) FROM step;
COMMIT;
SELECT 'filled', count(*), sum(value), max(text), sum(length(data)) FROM number;
CREATE INDEX number_value ON number(value);
CREATE UNIQUE INDEX number_text ON number(text);
INSERT INTO pair SELECT a.id, b.id FROM number a JOIN number b ON b.id = a.value % 20000 WHERE a.id <= 5000;
SELECT 'joined', count(*), sum(n.value) FROM pair JOIN number n ON n.id = pair.other;
SELECT 'range', count(*), min(id), max(id) FROM number WHERE value BETWEEN 1000 AND 50000;
SELECT 'like', count(*) FROM number WHERE text LIKE 'a%7';
CREATE TRIGGER changed AFTER UPDATE OF value ON number BEGIN
  INSERT INTO change(what, value) VALUES ('from ' || old.value, new.value);
END;
UPDATE number SET value = value + 1 WHERE id % 10 = 3;
SELECT 'trigger', count(*), sum(value) FROM change;
BEGIN;
DELETE FROM number WHERE id % 2 = 0;
SELECT 'inside', count(*) FROM number;
SAVEPOINT inner;
DELETE FROM number;
SELECT 'inner', count(*) FROM number;
ROLLBACK TO inner;
SELECT 'back', count(*) FROM number;
ROLLBACK;
SELECT 'undone', count(*) FROM number;
INSERT OR IGNORE INTO number VALUES (1, 2, 'three', NULL);
SELECT 'ignored', changes();
INSERT INTO number(value, text) VALUES (1, 'new') ON CONFLICT DO NOTHING;
SELECT 'window', id, sum(value) OVER (ORDER BY id ROWS 3 PRECEDING), rank() OVER (ORDER BY value) FROM number WHERE id < 60 ORDER BY id LIMIT 5;
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO words SELECT 'word' || (id % 50) || ' and ' || text FROM number WHERE id < 3000;
SELECT 'text', count(*) FROM words WHERE words MATCH 'word7 OR word9';
CREATE VIRTUAL TABLE area USING rtree(id, x0, x1, y0, y1);
INSERT INTO area SELECT id, value % 100, value % 100 + 5, id % 100, id % 100 + 5 FROM number WHERE id < 2000;
SELECT 'area', count(*) FROM area WHERE x0 < 50 AND x1 > 40 AND y0 < 20;
SELECT 'json', json_group_array(value % 10), json_extract('{"a":[1,{"b":2}]}', '$.a[1].b') FROM number WHERE id < 6;
WITH RECURSIVE digits(d) AS (SELECT 1 UNION ALL SELECT d + 1 FROM digits WHERE d < 9),
  queens(board, n) AS (SELECT '', 0 UNION ALL
    SELECT board || d, n + 1 FROM queens, digits WHERE n < 6 AND d <= 6 AND NOT EXISTS (
      SELECT 1 FROM digits AS p WHERE p.d <= n AND (substr(board, p.d, 1) = d
        OR abs(CAST(substr(board, p.d, 1) AS INTEGER) - digits.d) = n + 1 - p.d)))
SELECT 'queens', count(*), min(board) FROM queens WHERE n = 6;
DELETE FROM number WHERE id > 15000;
VACUUM;
SELECT 'sorted', group_concat(text, ' ') FROM (SELECT text FROM number ORDER BY substr(text, -3), value DESC LIMIT 5);
SELECT 'pages', page_count > 100 FROM pragma_page_count;
SELECT 'check', integrity_check FROM pragma_integrity_check;
SELECT 'journal', journal_mode FROM pragma_journal_mode;
