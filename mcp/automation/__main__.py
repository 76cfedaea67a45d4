"""`python -m automation --stdio`: this server by itself."""

from automation.server import SERVER
from toolkit.server.stdio import main

if __name__ == "__main__":
    main(SERVER)
