"""`python -m websearch --stdio`: this server by itself."""

from toolkit.server.stdio import main
from websearch.server import SERVER

if __name__ == "__main__":
    main(SERVER)
