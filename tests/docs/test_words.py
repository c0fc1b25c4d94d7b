"""The project's texts are in plain English: phrases that were translated word by word do not come back."""

import re

import pytest

from tests.conformance.cases import ROOT

PHRASES = {
    r"(is|are|was|were) told": "is reported, is recorded, is shown",
    r"tells? (of|whether|which|what|where)": "records, shows, says",
    r"comes? to": "totals, is",
    r"no sense": "invalid",
    r"as \w+ (has|have) (it|them)": "as in X, X syntax",
    r"gives? back": "returns, releases",
    r"(?<!there\s)(is|are) no (?!longer|more|less|other|such)\w+": "is not a X, has no X",
    r"cut short": "truncated",
    r"in its turn": "(nothing)",
    r"sees? to": "ensures",
    r"mended": "fixed",
    r"(all|nothing|unknown) but for": "except",
    r"(lies|lie) (in|at|as|where)": "is stored in, is at",
    r"turned over": "flipped, byte-swapped",
    r"vouch(es)? for": "confirms",
    r"(stands|stand) (twice|once|in|for itself|beside)": "occurs twice",
    r"(?-i:[Ff]igures)": "statistics, results, numbers",
    r"(is|are) meant": "matches",
    r"told apart": "distinguished",
    r"of which (the|no|any) (file|checkpoint)": "tensors whose ... is unknown",
    r"back ends?": "backend",
    r"nobody can": "undetectable, unknown",
    r"keeps? promises": "follows the rules",
    r"(has|have) its like": "has a counterpart",
    r"a defect of ckptread": "an internal error",
    r"passed over": "skipped",
    r"hands? out": "returns",
}
"""What a translated phrase looks like, and what to write instead."""
PAGES = (
    "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "demo.sh", "docs/*.md",
    "fixtures/README.md", "fixtures/make/*.py", "benchmarks/*.py",
)  # fmt: skip
GENERATED = {"docs/cli.md"}
QUOTED = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
"""In a page: code, and what commands print."""


def prose(path):
    """Return the text of a file; in a page, without what is quoted."""
    text = path.read_text()
    return QUOTED.sub(lambda quoted: re.sub(r"[^\n]", "·", quoted[0]), text) if path.suffix == ".md" else text


def hits(phrase, patterns):
    """Return where a phrase occurs in the files that match the patterns."""
    words = re.compile(rf"(?<![\w-])(?:{phrase})(?![\w-])".replace(" ", r"\s+"), re.IGNORECASE)
    paths = {path for pattern in patterns for path in ROOT.glob(pattern)} - {ROOT / page for page in GENERATED}
    texts = {path.relative_to(ROOT): prose(path) for path in sorted(paths)}
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}"
        for path, text in texts.items()
        for match in words.finditer(text)
    ]


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_translated_phrase_is_not_in_the_pages(phrase):
    assert hits(phrase, PAGES) == [], f"write: {PHRASES[phrase]}"


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_translated_phrase_is_not_in_the_package(phrase):
    assert hits(phrase, ("ckptread/**/*.py",)) == [], f"write: {PHRASES[phrase]}"
