"""`python -m crm --stdio`: this server by itself."""

from crm.server import SERVER
from toolkit.server.stdio import main

if __name__ == "__main__":
    main(SERVER)
