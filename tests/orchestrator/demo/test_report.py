"""The report of a demonstration call, as its published schema has it."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from orchestrator.demo.report import Report

ANEW = (
    "import json; from orchestrator.demo.report import Report;"
    "print(json.dumps(Report.model_json_schema(), indent=2))"
)


def test_the_published_schema_is_the_model_s_own(repository: Path) -> None:
    published = json.loads((repository / "docs" / "demo.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(published)
    assert published == Report.model_json_schema(), f"python -c '{ANEW}' > docs/demo.schema.json"
