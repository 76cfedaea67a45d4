"""SOQL that a model has written: which statements are run, and which are refused."""

import pytest

from crm.providers.salesforce.raw_query import restrict_statement
from toolkit.errors import Rejected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT Id FROM Lead", "SELECT Id FROM Lead LIMIT 10"),
        ("  select Id from lead  ", "select Id from lead LIMIT 10"),
        ("SELECT Id FROM Lead LIMIT 3", "SELECT Id FROM Lead LIMIT 3"),
        ("SELECT Id FROM Lead limit 3000", "SELECT Id FROM Lead limit 10"),
        ("SELECT Id\nFROM Lead\nLIMIT\t50", "SELECT Id\nFROM Lead\nLIMIT\t10"),
        ("SELECT Id FROM Lead OFFSET 5", "SELECT Id FROM Lead LIMIT 10 OFFSET 5"),
        ("SELECT Id FROM Lead LIMIT 99 OFFSET 5", "SELECT Id FROM Lead LIMIT 10 OFFSET 5"),
        (
            "SELECT Id FROM Case WHERE Subject = 'x LIMIT 3' ORDER BY Id",
            "SELECT Id FROM Case WHERE Subject = 'x LIMIT 3' ORDER BY Id LIMIT 10",
        ),
        (
            "SELECT Name, (SELECT Id FROM Contacts LIMIT 50) FROM Account",
            "SELECT Name, (SELECT Id FROM Contacts LIMIT 50) FROM Account LIMIT 10",
        ),
        (
            "SELECT Id FROM Contact WHERE AccountId IN (SELECT AccountId FROM Case)",
            "SELECT Id FROM Contact WHERE AccountId IN (SELECT AccountId FROM Case) LIMIT 10",
        ),
        ("SELECT COUNT() FROM Lead", "SELECT COUNT() FROM Lead"),
        ("SELECT count(Id), MAX(Amount) FROM Opportunity", None),
        (
            "SELECT StageName, COUNT(Id) FROM Opportunity GROUP BY StageName",
            "SELECT StageName, COUNT(Id) FROM Opportunity GROUP BY StageName LIMIT 10",
        ),
        ("SELECT Id FROM Order__c", "SELECT Id FROM Order__c LIMIT 10"),
    ],
)
def test_a_statement_that_reads_is_run_with_a_limit(statement: str, expected: str | None) -> None:
    assert restrict_statement(statement, 10, ("Order__c",)) == (expected or statement)


@pytest.mark.parametrize(
    "where",
    [
        "Subject = 'FOR UPDATE; -- /* USING SCOPE */ ALL ROWS FROM User'",
        r"Subject = 'it\'s \\' AND Description != ''",
        "CreatedDate = LAST_N_DAYS:30 AND Priority IN ('High', 'Low')",
        "CreatedDate > 2026-01-01T00:00:00Z AND (NOT Priority = 'Low')",
        "CreatedDate >= 2026-01-01T00:00:00.000+01:00 AND ClosedDate = TODAY",
        "Account.Name LIKE '%x_%' AND Amount__c > -5.5 AND Cost__c < USD5000",
        "Subject = 'SELECT' AND Owner.Name = 'LIMIT'",
    ],
)
def test_conditions_are_free(where: str) -> None:
    statement = f"SELECT Id FROM Case WHERE {where}"
    assert restrict_statement(statement, 5, ()) == f"{statement} LIMIT 5"


@pytest.mark.parametrize(
    "statement",
    [
        "",
        " ",
        "DELETE FROM Lead",
        "UPDATE Lead SET Name = 'x'",
        "FIND {x} RETURNING Lead",
        "(SELECT Id FROM Lead)",
        "SELECT Id FROM User",
        "SELECT Id FROM Lead; SELECT Id FROM User",
        "SELECT Id FROM Lead SELECT Id FROM Lead",
        "SELECT Id FROM Lead; ",
        "SELECT Id FROM Lead FOR UPDATE",
        "SELECT Id FROM Lead FOR VIEW",
        "SELECT Id FROM Lead FOR REFERENCE",
        "SELECT Id FROM Lead for\tupdate",
        "SELECT Id FROM Lead USING SCOPE Everything",
        "SELECT Id FROM Lead ALL ROWS",
        "SELECT Id FROM Lead all  rows",
        "SELECT Id FROM Lead UPDATE TRACKING",
        "SELECT Id FROM Lead UPDATE VIEWSTAT",
        "SELECT Id FROM Lead -- x",
        "SELECT Id FROM Lead WHERE A=1--x",
        "SELECT Id /* x */ FROM Lead",
        "SELECT Id FROM Lead // x",
        "SELECT Id FROM Lead # x",
        "SELECT Id FROM Lead WHERE Name = 'x",
        "SELECT Id FROM Lead WHERE Name = 'x''",
        "SELECT Id FROM Lead WHERE Name = 'x\\'",
        'SELECT Id FROM Lead WHERE Name = "x"',
        "SELECT Id FROM Lead WHERE Name = 'x\n'",
        "SELECT Id FROM Lead WHERE (Name = 'x'",
        "SELECT Id FROM Lead WHERE Name = 'x')",
        "SELECT Id FROM Lead WHERE Name = 'x')(",
        "SELECT Id FROM Lead WHERE Name = :name",
        "SELECT Id FROM Lead LIMIT :n",
        "SELECT Id FROM Lead LIMIT",
        "SELECT Id FROM Lead LIMIT 1.5",
        "SELECT Id FROM Lead LIMIT '5'",
        "SELECT Id FROM Lead LIMIT 5 LIMIT 50",
        "SELECT Id FROM Lead LIMIT 99999999999",
        "SELECT Id FROM Lead, User",
        "SELECT Id FROM Contact c, c.Account a",
        "SELECT Id FROM Contact AS c, User",
        "SELECT Id FROM Lead.User",
        "SELECT Id FROM",
        "SELECT Id",
        "SELECT Id FROM (SELECT Id FROM Lead)",
        "SELECT Name, (SELECT Id FROM Users) FROM Account",
        "SELECT Id FROM Contacts",
        "SELECT Id FROM Lead WHERE OwnerId IN (SELECT Id FROM User)",
        "SELECT Id FROM Lead WHERE Id IN (SELECT Id FROM Lead WHERE A IN (SELECT Id FROM User))",
        "SELECT Id FROM Lead WHERE OwnerId IN (SELECT Id\tFROM\nUser)",
        "SELECT Id,FROM+User FROM Lead",
        "SELECT Id FROM Lead WHERE X = 1FROM User",
        "SELECT Id FROM\u00a0User",
        "SELECT Id FROM \uff2cead",
        "SELECT Id FROM Lead\x00",
        "SELECT * FROM Lead",
        "SELECT Id FROM Lead WHERE Name = 'x' \\",
        "SELECT Id FROM Lead {x}",
        "SELECT Id FROM Lead WHERE Name = '" + "x" * 2000 + "'",
    ],
)
def test_any_other_statement_is_refused(statement: str) -> None:
    with pytest.raises(Rejected, match=r"Only a single SELECT from Lead, .*Order__c"):
        restrict_statement(statement, 10, ("Order__c",))
