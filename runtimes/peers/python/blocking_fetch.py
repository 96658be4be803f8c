"""The tasks of fetch as functions that block. Apart from the others, since loading http.client is no part of
what those take."""

import json
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from documents import sum_of, urls_of
from protocol import Case


def get_in_turn(case: Case, task: int) -> int:
    """http.client is what urllib.request is made of, and keeps a connection, which that does not."""
    kept = case["kept"]
    server = urlsplit(case["url"]).netloc
    headers = {} if kept else {"Connection": "close"}
    total = 0
    with closing(HTTPConnection(server)) as connection:
        for url in urls_of(case, task):
            connection.request("GET", urlsplit(url).path, headers=headers)
            answer = connection.getresponse()
            total += sum_of(url, answer.status, json.load(answer))
            if not kept:
                connection.close()
    return total
