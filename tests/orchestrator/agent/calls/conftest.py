"""The museum, in the deployment that all tests of calls share."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from config.database import Database
from config.settings import required
from orchestrator.admin.api_keys import create_api_key
from orchestrator.admin.declarations import apply_file, find_business_id
from tests.orchestrator.agent.calls.museum import BUSINESS, Museum, declaration
from tests.support.callers import CallerVoice
from tests.support.deployment import SharedDeployment


@pytest_asyncio.fixture(scope="session")
async def museum(
    deployment: SharedDeployment, models_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Museum]:
    """The museum: everything real but the language models and one provider of hearing."""
    file = tmp_path_factory.mktemp("museum") / "museum.yaml"
    file.write_text(declaration(), encoding="utf-8")
    await apply_file(deployment.settings, file)
    database = Database(required("DATABASE_URL", deployment.settings.database_url))
    business_id = await find_business_id(database, BUSINESS)
    assert business_id is not None
    key = await create_api_key(deployment.settings, BUSINESS, "tests")
    yield Museum(deployment, database, business_id, key, CallerVoice(models_url))
    await database.aclose()
