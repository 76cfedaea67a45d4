"""`python -m tickets --stdio`: this server by itself."""

from tickets.server import SERVER
from toolkit.server.stdio import main

if __name__ == "__main__":
    main(SERVER)
