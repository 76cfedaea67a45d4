"""`python -m servicenow --stdio`: this server by itself."""

from servicenow.server import SERVER
from toolkit.server.stdio import main

if __name__ == "__main__":
    main(SERVER)
