"""Whose account a call uses, what stands in the database, and how keys change under it."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from config.database import Database
from config.declarations.section import ApplyContext, Change
from config.errors import UserError
from config.integrations import IntegrationError, IntegrationInput, open_stored, remove, store
from config.security.encryption import Keyring
from config.security.key_rotation import rotate_all
from config.security.vault import Account, DatabaseVault, NoAccountError
from config.settings import MissingSettingError
from config.slow_work import SlowWork, run_transaction
from tests.conftest import Tenant, fetch, new_tenant
from tests.support.servers import KEYRING

CANARY = "canary-7f3a9"
CALCOM = IntegrationInput(
    "main", "scheduling", "calcom", {"api_key": CANARY}, {"base_url": "https://cal.test"}
)


class FakeAccountCheck:
    """An account check that accepts every account, unless it is told to refuse."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []
        self.refused = False

    async def __call__(self, server: str, account: Account, business_id: UUID) -> None:
        self.accounts.append(account)
        if self.refused:
            raise UserError("refused")


async def stored(
    database: Database,
    tenant: Tenant,
    integration: IntegrationInput,
    *,
    account_check: FakeAccountCheck | None = None,
    keyring: Keyring = KEYRING,
    dry_run: bool = False,
) -> Change | None:
    account_check = account_check or FakeAccountCheck()

    async def attempt(slow_work: SlowWork) -> Change | None:
        async with database.tenant(tenant.business_id) as session:
            applying = ApplyContext(
                session,
                tenant.business_id,
                "UTC",
                Path(),
                slow_work,
                dry_run,
                keyring,
                account_check,
            )
            return await store(applying, integration)

    return await run_transaction(attempt)


async def test_an_account_is_tried_sealed_and_opened_for_its_business(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    tenant = await new_tenant(database)
    account_check = FakeAccountCheck()
    change = await stored(database, tenant, CALCOM, account_check=account_check)
    assert change == Change("add", "integration main")
    assert [each.secrets for each in account_check.accounts] == [{"api_key": CANARY}]

    vault = DatabaseVault(database, KEYRING)
    account = await vault.account("scheduling", tenant.claims())
    assert (account.provider, account.secrets) == ("calcom", {"api_key": CANARY})
    assert account.base_url("https://api.cal.com") == "https://cal.test"
    assert CANARY not in repr(account)
    other_account = await vault.account("scheduling", other_tenant.claims(integration="main"))
    assert other_account == Account("builtin", "main")
    assert await vault.account("tickets", tenant.claims()) == Account("builtin")

    (row,) = await fetch(database, tenant, "select * from business_integration")
    assert CANARY not in str(row)
    assert await fetch(database, other_tenant, "select * from business_integration") == []


async def test_what_is_unchanged_is_not_tried_again(database: Database) -> None:
    tenant, account_check = await new_tenant(database), FakeAccountCheck()
    await stored(database, tenant, CALCOM)
    assert await stored(database, tenant, CALCOM, account_check=account_check) is None
    assert account_check.accounts == []
    other = IntegrationInput("main", "scheduling", "calcom", {"api_key": "new"}, {})
    change = await stored(database, tenant, other, account_check=account_check)
    assert change == Change("change", "integration main", "settings, secrets")
    assert len(account_check.accounts) == 1


async def test_what_the_vendor_refuses_is_not_stored(database: Database) -> None:
    tenant, account_check = await new_tenant(database), FakeAccountCheck()
    account_check.refused = True
    with pytest.raises(UserError, match="refused"):
        await stored(database, tenant, CALCOM, account_check=account_check)
    assert await fetch(database, tenant, "select * from business_integration") == []


async def test_a_dry_run_asks_nobody(database: Database) -> None:
    tenant, account_check = await new_tenant(database), FakeAccountCheck()
    await stored(database, tenant, CALCOM, account_check=account_check, dry_run=True)
    assert account_check.accounts == []


async def test_an_account_for_some_bots_is_no_other_bot_s(database: Database) -> None:
    tenant = await new_tenant(database)
    mine = IntegrationInput("mine", "scheduling", "calcom", {"api_key": "x"}, {}, bots=("bot",))
    await stored(database, tenant, mine)
    vault = DatabaseVault(database, KEYRING)
    assert (await vault.account("scheduling", tenant.claims())).name == "mine"
    other_bot = tenant.claims(integration="mine").model_copy(update={"bot_id": uuid4()})
    with pytest.raises(NoAccountError, match="for this bot"):
        await vault.account("scheduling", other_bot)
    assert await vault.provider("scheduling", other_bot) is None
    nobody_s = tenant.claims().model_copy(update={"bot_id": None})
    assert await vault.account("scheduling", nobody_s) == Account("builtin")
    unknown = IntegrationInput("more", "scheduling", "calcom", {}, {}, bots=("nobody",))
    with pytest.raises(IntegrationError, match="'nobody'"):
        await stored(database, tenant, unknown)


async def test_of_several_accounts_one_has_to_be_named(database: Database) -> None:
    tenant = await new_tenant(database)
    for name in ("one", "two"):
        await stored(
            database, tenant, IntegrationInput(name, "scheduling", "calcom", {"api_key": name}, {})
        )
    vault = DatabaseVault(database, KEYRING)
    with pytest.raises(NoAccountError, match="several scheduling accounts"):
        await vault.account("scheduling", tenant.claims())
    two = await vault.account("scheduling", tenant.claims(integration="two"))
    assert two.secrets == {"api_key": "two"}


async def test_a_disabled_or_removed_account_is_gone(database: Database) -> None:
    tenant = await new_tenant(database)
    await stored(
        database, tenant, IntegrationInput("main", "scheduling", "calcom", {}, {}, enabled=False)
    )
    with pytest.raises(NoAccountError):
        await DatabaseVault(database, KEYRING).account(
            "scheduling", tenant.claims(integration="main")
        )
    async with database.tenant(tenant.business_id) as session:
        assert await remove(session, "main")
        assert not await remove(session, "main")


async def test_rotated_secrets_are_kept_and_are_no_difference(database: Database) -> None:
    tenant, vault = await new_tenant(database), DatabaseVault(database, KEYRING)
    integration = IntegrationInput("main", "scheduling", "calcom", {"refresh_token": "first"}, {})
    await stored(database, tenant, integration)
    account = await vault.account("scheduling", tenant.claims())
    async with vault.locked(tenant.business_id, account) as locked:
        locked.store({"refresh_token": "second"})
    renewed = await vault.account("scheduling", tenant.claims())
    assert renewed.secrets == {"refresh_token": "second"}
    assert await stored(database, tenant, integration) is None
    assert (await vault.account("scheduling", tenant.claims())).secrets == renewed.secrets


async def test_a_revoked_account_says_so_until_it_is_connected_again(database: Database) -> None:
    tenant, vault = await new_tenant(database), DatabaseVault(database, KEYRING)
    await stored(database, tenant, CALCOM)
    account = await vault.account("scheduling", tenant.claims())
    async with vault.locked(tenant.business_id, account) as locked:
        locked.revoke()
    with pytest.raises(NoAccountError, match="must be reconnected"):
        await vault.account("scheduling", tenant.claims())
    change = await stored(database, tenant, CALCOM)
    assert change == Change("change", "integration main", "status")


async def test_a_row_of_another_business_does_not_open(database: Database) -> None:
    one, other = await new_tenant(database), await new_tenant(database)
    await stored(database, one, CALCOM)
    await stored(
        database, other, IntegrationInput("main", "scheduling", "calcom", {"api_key": "x"}, {})
    )
    (stolen,) = await fetch(database, one, "select credentials::text from business_integration")
    query = "update business_integration set credentials = cast(:blob as jsonb) returning id"
    await fetch(database, other, query, blob=stolen["credentials"])
    with pytest.raises(NoAccountError, match="must be reconnected"):
        await DatabaseVault(database, KEYRING).account("scheduling", other.claims())


async def test_keys_are_rotated_while_accounts_are_used(database: Database) -> None:
    tenant = await new_tenant(database)
    for name in ("one", "two"):
        await stored(
            database, tenant, IntegrationInput(name, "scheduling", "calcom", {"api_key": name}, {})
        )
    old = Keyring(KEYRING.current, KEYRING.keys)
    both = Keyring("k2", {"k2": Keyring.parse(Keyring.new_key("k2")).keys["k2"], **old.keys})
    first = await rotate_all(database, both)
    assert first.done >= 2
    assert await rotate_all(database, both) == (0, first.lost)
    new = DatabaseVault(database, Keyring("k2", {"k2": both.keys["k2"]}))
    for name in ("one", "two"):
        account = await new.account("scheduling", tenant.claims(integration=name))
        assert account.secrets == {"api_key": name}
    back = Keyring("k1", both.keys)
    await rotate_all(database, back)  # other tests' accounts are opened with the first key


async def test_without_keys_nothing_is_stored_or_opened(database: Database) -> None:
    tenant = await new_tenant(database)
    async with database.tenant(tenant.business_id) as session:
        applying = ApplyContext(session, tenant.business_id, "UTC", Path(), SlowWork())
        with pytest.raises(MissingSettingError, match="VAULT_KEYS"):
            await store(applying, CALCOM)
    await stored(database, tenant, CALCOM)
    with pytest.raises(MissingSettingError):
        await DatabaseVault(database, None).account("scheduling", tenant.claims())


async def test_a_stored_account_is_opened_to_be_tried(database: Database) -> None:
    tenant = await new_tenant(database)
    await stored(database, tenant, CALCOM)
    async with database.tenant(tenant.business_id) as session:
        server, account = await open_stored(session, "main", KEYRING)
        assert (server, account.secrets) == ("scheduling", {"api_key": CANARY})
        with pytest.raises(IntegrationError, match="'other'"):
            await open_stored(session, "other", KEYRING)
