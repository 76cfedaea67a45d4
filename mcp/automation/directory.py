"""The automations of an account, as they are declared, and the URLs of their hooks."""

from pathlib import Path

import anyio
from pydantic import SecretStr
from yaml import YAMLError

from automation.provider import Automation
from config import automations
from config.automations import AutomationInput
from config.errors import UserError
from config.security.vault import Account, NoAccountError
from config.tables import Automation as AutomationRow
from toolkit.errors import Disconnected
from toolkit.tenancy import ToolCall

_FILE = "automations"  # the setting of a server that runs without a database


async def list_automations(call: ToolCall, account: Account) -> list[Automation]:
    """Return the automations at an account, by name.

    Without a database they are read from the file that the account's setting `automations` names.

    Raises:
        Disconnected: there is no such file, or it cannot be used.
    """
    if call.runtime.database is None:
        return await _read_file(account)
    if account.id is None:
        return []
    async with call.transaction() as session:
        rows = await automations.list_of_integration(session, account.id)
    return [_from_row(row) for row in rows]


def open_hook(call: ToolCall, automation: Automation) -> str:
    """Return the URL of an automation's hook.

    Raises:
        Disconnected: it cannot be opened, or is none of the vendor.
    """
    url = automation.hook.get_secret_value() if automation.hook else None
    if automation.sealed_hook is not None:
        try:
            plain = call.runtime.vault.unseal(automation.sealed_hook, automation.bound_to)
        except NoAccountError as error:
            raise Disconnected(str(error)) from None
        url = str(plain.get("url"))
    if url is None or not automations.is_hook(url):
        raise Disconnected("The hook of this automation has to be declared anew.")
    return url


def _from_row(row: AutomationRow) -> Automation:
    return Automation(
        name=row.name,
        description=row.description,
        takes=row.takes,
        answers=row.answers,
        scenario=row.scenario,
        sealed_hook=row.hook,
        bound_to=row.associated_data,
    )


def _from_input(declared: AutomationInput) -> Automation:
    return Automation(
        name=declared.name,
        description=declared.description,
        takes=declared.takes,
        answers=declared.answers,
        scenario=declared.scenario,
        hook=SecretStr(declared.hook) if declared.hook else None,
    )


async def _read_file(account: Account) -> list[Automation]:
    path = account.settings.get(_FILE)
    if not path:
        raise Disconnected(f"The setting {_FILE} has to name a file that declares automations.")
    try:
        text = await anyio.Path(Path(str(path))).read_text(encoding="utf-8")
        declared = automations.read_file(text)
    except (OSError, UserError, ValueError, YAMLError):  # pydantic's errors are ValueErrors
        raise Disconnected("The file of the automations cannot be used.") from None
    of_vendor = [each for each in declared if each.vendor == account.provider]
    return sorted(map(_from_input, of_vendor), key=lambda each: each.name)
