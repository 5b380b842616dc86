"""The cron job: writes one row that sums up the day, again if it is run again."""

import json
import sys

import psycopg

from log import log
from store import connect, read_totals

TABLE = """
    CREATE TABLE IF NOT EXISTS daily_reports (
        day     date PRIMARY KEY,
        totals  jsonb NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now()
    )"""
UPSERT = """
    INSERT INTO daily_reports (day, totals) VALUES (current_date, %s)
    ON CONFLICT (day) DO UPDATE SET totals = excluded.totals, made_at = now()
    RETURNING day"""


def main() -> None:
    with connect() as connection:
        try:
            totals = read_totals(connection)
        except psycopg.errors.UndefinedTable:
            log("warn", "no orders table yet: nothing to report")
            return
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('daily_reports'))")
        connection.execute(TABLE)
        (day,) = connection.execute(UPSERT, [json.dumps(totals)]).fetchone()
    log("info", "report written", day=day.isoformat(), **totals)


if __name__ == "__main__":
    try:
        main()
    except psycopg.Error as error:
        log("error", "no report", error=str(error).strip())
        sys.exit(1)
