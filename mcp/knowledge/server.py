"""The knowledge server: its tools, in the order of the catalogue."""

from knowledge.knowledge_tools import get_document, list_documents, search_knowledge
from knowledge.operations import knowledge_base_names, warm_up
from toolkit.server.build import ServerSpec

TOOLS = (search_knowledge, list_documents, get_document)
SERVER = ServerSpec(
    "knowledge",
    "Facts about the business, from its own documents.",
    TOOLS,
    warm_up=warm_up,
    named_records=knowledge_base_names,
)
