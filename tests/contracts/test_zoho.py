"""Zoho's specification is there, covers the paths that are used, and detects violations."""

import json
from pathlib import Path

import pytest

from tests.crm.providers.zoho.double import MODULES, FakeZoho
from tests.support.vendors import specification

HEADERS = {"content-type": "application/json", "authorization": "Zoho-oauthtoken x"}


def test_every_path_is_specified(contracts: Path) -> None:
    assert contracts.name
    zoho = specification(FakeZoho.specification)
    assert zoho is not None
    body = json.dumps({"data": [{"Subject": "x"}]}).encode()
    for module in MODULES.values():
        path = f"/crm/v8/{module}"
        for method, asked, content in (
            ("POST", path, body),
            ("PUT", f"{path}/1", body),
            ("GET", f"{path}/1", b""),
            ("GET", f"{path}/search?word=x&per_page=25", b""),
        ):
            assert zoho.violations(method, asked, HEADERS, content) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/crm/v8/coql", b'{"query": "select id from Leads"}'),
        ("POST", "/crm/v8/Leads", b'{"data": {"Last_Name": "x"}}'),
        ("GET", "/crm/v8/Leads/search?word=x&per_page=many", b""),
        ("PATCH", "/crm/v8/Leads/1", b"{}"),
        ("GET", "/crm/v9/Leads/1", b""),
    ],
)
def test_what_is_not_specified_is_noticed(
    contracts: Path, method: str, path: str, body: bytes
) -> None:
    assert contracts.name
    zoho = specification(FakeZoho.specification)
    assert zoho is not None
    assert zoho.violations(method, path, HEADERS, body) != []
