"""Files are read as documents by their suffix."""

from pathlib import PurePath

import pytest

from kb.errors import UnreadableDocumentError
from kb.sources.files import mime_type
from kb.sources.source import MARKDOWN


def test_only_known_types_are_read() -> None:
    assert mime_type(PurePath("A.MD")) == MARKDOWN
    with pytest.raises(UnreadableDocumentError, match=r"b\.exe: only \.txt, \.md"):
        mime_type(PurePath("b.exe"))
