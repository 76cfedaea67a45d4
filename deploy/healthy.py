"""Says whether this container answers on a port: `python healthy.py 8080 /healthz`.

Only the standard library, so that it starts fast: it runs every few seconds.
"""

import sys
from http.client import HTTPConnection, HTTPException


def healthy(port: int, path: str) -> bool:
    """Say whether a GET is answered with success."""
    connection = HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not healthy(int(sys.argv[1]), sys.argv[2]))
