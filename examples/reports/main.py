"""The worker: looks at the shop's orders every few seconds and says when something changed."""

import os
import signal
import threading

import psycopg

from log import log
from store import connect, read_totals

INTERVAL_SECONDS = float(os.environ.get("INTERVAL_SECONDS", "10"))


def main() -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    log("info", "ready", interval_seconds=INTERVAL_SECONDS)
    seen = None
    while not stopping.is_set():
        seen = look(seen)
        stopping.wait(INTERVAL_SECONDS)
    log("info", "stopped")


def look(seen: object) -> object:
    """Logs the totals when they are not what was seen last, and returns what is there now."""
    try:
        with connect() as connection:
            totals = read_totals(connection)
    except psycopg.errors.UndefinedTable:
        totals = None
    except psycopg.OperationalError as error:
        log("warn", "the database does not answer", error=str(error).strip())
        return seen
    if totals != seen:
        log("info", "totals", **totals) if totals else log("info", "no orders table yet: has orders started?")
    return totals


if __name__ == "__main__":
    main()
