import os

import psycopg
from psycopg.rows import dict_row

URL = os.environ.get("ORDERS_DB_URL") or os.environ.get("DATABASE_URL") or "postgresql://localhost/orders"


def connect() -> psycopg.Connection:
    return psycopg.connect(URL, connect_timeout=5)


def read_totals(connection: psycopg.Connection) -> dict:
    """How many orders and pieces there are, how many wait, and the item that sells best."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT count(*) AS orders,
                   coalesce(sum(quantity), 0)::int AS pieces,
                   count(*) FILTER (WHERE shipped_at IS NULL) AS waiting,
                   (SELECT item FROM orders GROUP BY item ORDER BY sum(quantity) DESC, item LIMIT 1) AS best_seller
            FROM orders
            """
        ).fetchone()
