"""How many spoken numbers, e-mail addresses and names are read rightly, asked about, or wrongly.

Run `python -m benchmarks.spoken_details [--held-out] [--show]`. The cases in
`spoken_details.yaml` were written from how callers speak, not from the readers;
`spoken_details_held_out.yaml` is for the end. `or_ask` marks cases in which asking is right, too.
"""

from collections import Counter, defaultdict

from benchmarks import spoken_cases
from benchmarks.spoken_cases import Case, options
from toolkit.speech.emails import spoken_email
from toolkit.speech.numbers import spoken_digits, spoken_phone_number
from toolkit.speech.people import is_same_number, is_similar


def load(name: str) -> list[Case]:
    """Return the cases of a file but for counts: the language model reads those."""
    return [case for case in spoken_cases.load(name) if case["type"] != "count"]


def outcome(case: Case) -> str:
    """Return `right`, `asked` or `wrong`; asked where it should ask is right."""
    match case["type"]:
        case "same_name":
            same = is_similar(case["said"], case["stored"])
            return "right" if same == case["same"] else "wrong"
        case "same_phone":
            same = is_same_number(case["said"], case["stored"])
            return "right" if same == case["same"] else "wrong"
        case _:
            read, meant = _read(case)
    if read is None:
        return "right" if case.get("ask") or case.get("or_ask") else "asked"
    return "right" if not case.get("ask") and read == meant else "wrong"


def _read(case: Case) -> tuple[object, object]:
    """Return what our reader understands, None where it asks, and what is meant."""
    said = case["said"]
    match case["type"]:
        case "phone":
            extension = f" ext. {case['extension']}" if "extension" in case else ""
            return spoken_phone_number(said), f"{case.get('digits')}{extension}"
        case "digits":
            return spoken_digits(said), case.get("digits")
        case _:
            email = spoken_email(said)
            return email and email.lower(), str(case.get("email")).lower()


def main() -> None:
    """Print the figures of each type."""
    names, show = options(__doc__ or "", "spoken_details")
    for name in names:
        cases = load(name)
        print(f"{name}: {len(cases)} cases")
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for case in cases:
            result = outcome(case)
            for key in (case["type"], "all"):
                counts[key][result] += 1
        for key, count in counts.items():
            total = count.total()
            print(
                f"  {key:<11} right {count['right']:4} ({count['right'] / total:.1%})"
                f"  asked {count['asked']:3}"
                f"  wrong {count['wrong']:3} ({count['wrong'] / total:.1%})"
            )
        if show:
            for case in cases:
                if (result := outcome(case)) != "right":
                    print(f"  {result:<6} {_show(case)}")


def _show(case: Case) -> str:
    return ", ".join(f"{key}: {value}" for key, value in case.items() if key != "type")


if __name__ == "__main__":
    main()
