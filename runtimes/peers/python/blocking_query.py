"""The tasks of query as functions that block. Apart from the others, since loading psycopg2 is no part of what
those take, and it is no part of Python."""

from contextlib import closing

from accounts import keys_of
from protocol import Case, NoWorkload

try:
    import psycopg2
except ImportError as missing:
    raise NoWorkload("query") from missing


def query_in_turn(case: Case, task: int) -> int:
    """psycopg2 has no call that prepares a statement; PREPARE and EXECUTE are PostgreSQL's own."""
    with closing(psycopg2.connect(case["server"], sslmode="disable")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"PREPARE by_key (int) AS {case['statement']}")
        total = 0
        for key in keys_of(case, task):
            cursor.execute("EXECUTE by_key (%s)", (key,))
            total += cursor.fetchone()[0]
        return total
