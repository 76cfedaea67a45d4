"""`python -m scheduling --stdio`: this server by itself."""

from scheduling.server import SERVER
from toolkit.server.stdio import main

if __name__ == "__main__":
    main(SERVER)
